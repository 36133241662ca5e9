"""Who hears which event: the whole map on one page. Names are stable, they are receipts."""

from app.billing.events import BillExpired, BillPaid, BillPaidLate, RefundSucceeded
from app.kernel.events import Subscription
from app.laboratory import story as laboratory_story
from app.laboratory.events import ResultReleased, SpecimenCollected, SpecimenRejected
from app.orders import paying as orders_paying
from app.orders import story as orders_story
from app.orders.events import OrdersPaid, OrdersSubmitted, OrderStopped, ReportRead
from app.outpatient import paying as outpatient_paying
from app.outpatient import story as outpatient_story
from app.outpatient.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentClosedLatePay,
    AppointmentExpired,
    AppointmentMissed,
    ConsultationFinished,
    ConsultationStarted,
    PatientArrived,
)
from app.pharmacy import story as pharmacy_story
from app.pharmacy import waiting as pharmacy_waiting
from app.pharmacy.events import PrescriptionDispensed, PrescriptionReady, PrescriptionReturned
from app.queueing.events import TicketCalled

SUBSCRIPTIONS: list[Subscription] = [
    Subscription("laboratory.tell_collected", SpecimenCollected, laboratory_story.tell_collected),
    Subscription("laboratory.tell_rejected", SpecimenRejected, laboratory_story.tell_rejected),
    Subscription("laboratory.tell_released", ResultReleased, laboratory_story.tell_released),
    Subscription("orders.make_executable", BillPaid, orders_paying.make_executable),
    Subscription("orders.cancel_when_expired", BillExpired, orders_paying.cancel_when_expired),
    Subscription("orders.refund_when_late", BillPaidLate, orders_paying.refund_when_late),
    Subscription("orders.note_refund", RefundSucceeded, orders_paying.note_refund),
    Subscription("orders.tell_submitted", OrdersSubmitted, orders_story.tell_submitted),
    Subscription("orders.tell_stopped", OrderStopped, orders_story.tell_stopped),
    Subscription("orders.tell_read", ReportRead, orders_story.tell_read),
    Subscription("outpatient.book_when_paid", BillPaid, outpatient_paying.book_when_paid),
    Subscription("outpatient.settle_late_payment", BillPaidLate, outpatient_paying.settle_late_payment),
    Subscription("outpatient.tell_booked", AppointmentBooked, outpatient_story.tell_booked),
    Subscription("outpatient.tell_expired", AppointmentExpired, outpatient_story.tell_expired),
    Subscription("outpatient.tell_cancelled", AppointmentCancelled, outpatient_story.tell_cancelled),
    Subscription("outpatient.tell_closed", AppointmentClosedLatePay, outpatient_story.tell_closed),
    Subscription("outpatient.tell_missed", AppointmentMissed, outpatient_story.tell_missed),
    Subscription("outpatient.tell_arrived", PatientArrived, outpatient_story.tell_arrived),
    Subscription("outpatient.tell_called", TicketCalled, outpatient_story.tell_called),
    Subscription("outpatient.tell_started", ConsultationStarted, outpatient_story.tell_started),
    Subscription("outpatient.tell_finished", ConsultationFinished, outpatient_story.tell_finished),
    Subscription("pharmacy.queue_when_paid", OrdersPaid, pharmacy_waiting.queue_when_paid),
    Subscription("pharmacy.leave_when_stopped", OrderStopped, pharmacy_waiting.leave_when_stopped),
    Subscription("pharmacy.tell_returned", PrescriptionReturned, pharmacy_story.tell_returned),
    Subscription("pharmacy.tell_ready", PrescriptionReady, pharmacy_story.tell_ready),
    Subscription("pharmacy.tell_dispensed", PrescriptionDispensed, pharmacy_story.tell_dispensed),
]

"""Who hears which event: the whole map on one page. Names are stable, they are receipts."""

from app.billing.events import BillExpired, BillPaid, BillPaidLate, RefundRequested, RefundSucceeded
from app.kernel.events import Subscription
from app.laboratory import story as laboratory_story
from app.laboratory.events import ResultReleased, SpecimenCollected, SpecimenRejected
from app.orders import paying as orders_paying
from app.orders import story as orders_story
from app.orders.events import OrdersPaid, OrdersSubmitted, OrderStopped, ReportRead
from app.outpatient.paying import book_when_paid, settle_late_payment
from app.pharmacy import story as pharmacy_story
from app.pharmacy import waiting as pharmacy_waiting
from app.pharmacy.events import PrescriptionDispensed, PrescriptionReady, PrescriptionReturned

SUBSCRIPTIONS: list[Subscription] = [
    Subscription("laboratory.tell_collected", SpecimenCollected, laboratory_story.tell_collected),
    Subscription("laboratory.tell_rejected", SpecimenRejected, laboratory_story.tell_rejected),
    Subscription("laboratory.tell_released", ResultReleased, laboratory_story.tell_released),
    Subscription("orders.make_executable", BillPaid, orders_paying.make_executable),
    Subscription("orders.cancel_when_expired", BillExpired, orders_paying.cancel_when_expired),
    Subscription("orders.refund_when_late", BillPaidLate, orders_paying.refund_when_late),
    Subscription("orders.follow_refund", RefundRequested, orders_paying.follow_refund),
    Subscription("orders.note_refund", RefundSucceeded, orders_paying.note_refund),
    Subscription("orders.tell_submitted", OrdersSubmitted, orders_story.tell_submitted),
    Subscription("orders.tell_stopped", OrderStopped, orders_story.tell_stopped),
    Subscription("orders.tell_read", ReportRead, orders_story.tell_read),
    Subscription("pharmacy.queue_when_paid", OrdersPaid, pharmacy_waiting.queue_when_paid),
    Subscription("pharmacy.leave_when_stopped", OrderStopped, pharmacy_waiting.leave_when_stopped),
    Subscription("pharmacy.tell_returned", PrescriptionReturned, pharmacy_story.tell_returned),
    Subscription("pharmacy.tell_ready", PrescriptionReady, pharmacy_story.tell_ready),
    Subscription("pharmacy.tell_dispensed", PrescriptionDispensed, pharmacy_story.tell_dispensed),
    Subscription("outpatient.book_when_paid", BillPaid, book_when_paid),
    Subscription("outpatient.settle_late_payment", BillPaidLate, settle_late_payment),
]

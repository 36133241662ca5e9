"""Who hears which event: the whole map on one page. Names are stable, they are receipts."""

from app.billing.events import BillPaid, BillPaidLate
from app.kernel.events import Subscription
from app.outpatient.paying import book_when_paid, settle_late_payment

SUBSCRIPTIONS: list[Subscription] = [
    Subscription("outpatient.book_when_paid", BillPaid, book_when_paid),
    Subscription("outpatient.settle_late_payment", BillPaidLate, settle_late_payment),
]

"""What billing tells. All of it about one bill, in order."""

from uuid import UUID

import msgspec

from app.billing.tables import AttemptStatus, BillKind, RefundReason
from app.kernel.events import fact


class _OfBill(msgspec.Struct, frozen=True, kw_only=True):
    """Which bill, and what it was for: `subject_kind` lets a hearer tell its own bills from others'."""

    bill_id: UUID
    kind: BillKind
    subject_kind: str
    subject_id: UUID
    person_id: UUID
    encounter_id: UUID | None = None


@fact(kind="bill.opened", aggregate="bill", key="bill_id")
class BillOpened(_OfBill, frozen=True, kw_only=True):
    amount_fen: int


@fact(kind="bill.paid", aggregate="bill", key="bill_id")
class BillPaid(_OfBill, frozen=True, kw_only=True):
    amount_fen: int


@fact(kind="bill.paid_late", aggregate="bill", key="bill_id")
class BillPaidLate(_OfBill, frozen=True, kw_only=True):
    """The bill had expired when its money came. Whoever owns the subject answers with `revive_bill` or
    `refund_late`; nobody's answer within ten minutes is a refund."""

    amount_fen: int


@fact(kind="bill.paid_in_vain", aggregate="bill", key="bill_id")
class BillPaidInVain(_OfBill, frozen=True, kw_only=True):
    """Money came that the bill does not need (paid twice, or cancelled): it is going back already."""

    amount_fen: int
    reason: RefundReason


@fact(kind="bill.expired", aggregate="bill", key="bill_id")
class BillExpired(_OfBill, frozen=True, kw_only=True):
    pass


@fact(kind="bill.cancelled", aggregate="bill", key="bill_id")
class BillCancelled(_OfBill, frozen=True, kw_only=True):
    pass


@fact(kind="refund.requested", aggregate="bill", key="bill_id")
class RefundRequested(_OfBill, frozen=True, kw_only=True):
    refund_id: UUID
    amount_fen: int
    reason: RefundReason


@fact(kind="refund.succeeded", aggregate="bill", key="bill_id")
class RefundSucceeded(_OfBill, frozen=True, kw_only=True):
    refund_id: UUID
    amount_fen: int
    reason: RefundReason


@fact(kind="refund.stuck", aggregate="bill", key="bill_id")
class RefundStuck(_OfBill, frozen=True, kw_only=True):
    """The channel refused or could not deliver it: somebody at the window must act."""

    refund_id: UUID
    amount_fen: int
    reason: RefundReason


@fact(kind="attempt.moved", aggregate="attempt", key="attempt_id")
class AttemptMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Every step of an attempt with its cause: api, notice, query or sweep."""

    attempt_id: UUID
    bill_id: UUID
    status: AttemptStatus
    cause: str

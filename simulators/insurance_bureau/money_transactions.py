"""The transactions of fees, settlements, checks and mobile payment, by number."""

from simulators.insurance_bureau import (
    checking,
    claims,
    clearing,
    exchanged_files,
    fees,
    inquiries,
    mobile,
    mobile_refunds,
    reversals,
)
from simulators.insurance_bureau.calls import Transaction

TRANSACTIONS: dict[str, Transaction] = {
    **fees.TRANSACTIONS,
    **claims.TRANSACTIONS,
    **reversals.TRANSACTIONS,
    **checking.TRANSACTIONS,
    **clearing.TRANSACTIONS,
    **exchanged_files.TRANSACTIONS,
    **inquiries.TRANSACTIONS,
    **mobile.TRANSACTIONS,
    **mobile_refunds.TRANSACTIONS,
}

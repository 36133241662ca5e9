"""Every transaction the bureau plays, by its number: a new room adds its own table to the first one."""

from simulators.insurance_bureau import (
    admissions,
    money_transactions,
    persons,
    reversing,
    settlements,
    signing_in,
    visits,
)
from simulators.insurance_bureau.calls import Transaction

ORDINARY: dict[str, Transaction] = {
    **signing_in.TRANSACTIONS,
    **persons.TRANSACTIONS,
    **visits.TRANSACTIONS,
    **admissions.TRANSACTIONS,
    **settlements.TRANSACTIONS,
    **money_transactions.TRANSACTIONS,
}
TRANSACTIONS = {**ORDINARY, "2601": reversing.reversal(ORDINARY)}

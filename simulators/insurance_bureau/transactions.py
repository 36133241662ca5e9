"""Every transaction the bureau plays, by its number: a new room adds its own table here."""

from simulators.insurance_bureau import persons, signing_in
from simulators.insurance_bureau.calls import Transaction

TRANSACTIONS: dict[str, Transaction] = {**signing_in.TRANSACTIONS, **persons.TRANSACTIONS}

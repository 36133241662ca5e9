"""Numbers of bills: each is used once, in order, until the batch is empty."""

from simulators.fiscal_invoice.platform import FiscalInvoice
from simulators.fiscal_invoice.refusals import out_of_numbers


def take(platform: FiscalInvoice, code: str) -> str:
    """The next number of a batch, ten digits; it is used up."""
    taken = platform.store.value(
        """update batch set next_no = next_no + 1
           where code = :code and next_no <= last_no returning next_no - 1""",
        code=code,
    )
    if taken is None:
        raise out_of_numbers()
    return numbered(taken)


def following(platform: FiscalInvoice, code: str) -> str:
    """The next blank sheet of a batch of paper: the number that `take` will give."""
    found = platform.store.value(
        "select next_no from batch where code = :code and medium = 'paper' and next_no <= last_no", code=code
    )
    if found is None:
        raise out_of_numbers()
    return numbered(found)


def numbered(number: int) -> str:
    return f"{number:010d}"

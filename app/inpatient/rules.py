"""Which days a stay pays for, and how long a terminal rests. docs/algorithms/inpatient-fees.md."""

from datetime import date, datetime, timedelta

from app.kernel.clock import local_day

TRIES_MAX = 5
PAUSE = timedelta(minutes=5)


def nights(*, from_at: datetime, until: datetime) -> list[date]:
    """The days at whose midnight (24:00, local) a binding from `from_at` to `until` was in its bed.

    Present at 24:00 means in < 24:00 <= out, so the day in counts and the day out does not.
    """
    first, last = local_day(from_at), local_day(until)
    return [first + timedelta(days=n) for n in range((last - first).days)]


def is_same_day(*, admitted_at: datetime, discharged_at: datetime) -> bool:
    """Admitted and discharged on one day: no midnight passed, and still one day is paid."""
    return local_day(admitted_at) == local_day(discharged_at)


def pause_after(failures: int) -> timedelta | None:
    """How long a terminal rests after so many vain tries in a row; None where the next may follow."""
    return PAUSE if failures % TRIES_MAX == 0 else None

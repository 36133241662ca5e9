"""When a place may be sold, given back and used. Prose with worked numbers: docs/algorithms/booking.md."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import msgspec

from app.kernel.clock import LOCAL, local_day
from app.outpatient.tables import HalfDay, VisitType


class BookingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Every number of booking that is hospital policy, not law."""

    days_made_ahead: int = 14
    release_days_ahead: int = 7
    release_at: time = time(7)
    stop_next_day_at: time = time(17)
    hold: timedelta = timedelta(minutes=15)
    per_half_day_and_department: int = 1  # the database holds it: appointment_live_half_day
    per_person_per_day: int = 3
    per_account_per_day: int = 5
    cancel_before_window: timedelta = timedelta(minutes=30)
    recycle_min: timedelta = timedelta(minutes=1)
    recycle_max: timedelta = timedelta(minutes=30)
    late_max: timedelta = timedelta(minutes=30)
    morning: tuple[time, time] = (time(8), time(12))
    afternoon: tuple[time, time] = (time(13, 30), time(17, 30))


POLICY = BookingPolicy()


def at(day: date, moment: time) -> datetime:
    """The instant of a wall-clock time on a hospital day."""
    return datetime.combine(day, moment, LOCAL)


def half_day_hours(policy: BookingPolicy, half_day: HalfDay) -> tuple[time, time]:
    return policy.morning if half_day is HalfDay.MORNING else policy.afternoon


def windows_of(starts_at: datetime, ends_at: datetime, minutes: int) -> Iterator[tuple[datetime, datetime]]:
    """The session cut into windows; a rest shorter than a window belongs to nobody."""
    step = timedelta(minutes=minutes)
    while starts_at + step <= ends_at:
        yield starts_at, starts_at + step
        starts_at += step


def opens_at(policy: BookingPolicy, held_on: date) -> datetime:
    return at(held_on - timedelta(days=policy.release_days_ahead), policy.release_at)


class Sale(StrEnum):
    NOT_RELEASED = "not_released"
    OPEN = "open"
    PAUSED = "paused"  # the next day's numbers, from the afternoon until midnight
    PAST = "past"


def sale(policy: BookingPolicy, *, opens: datetime, window_starts: datetime, now: datetime) -> Sale:
    """An instant is allowed while opens <= now < ends; a window is sold until it starts."""
    if now < opens:
        return Sale.NOT_RELEASED
    if now >= window_starts:
        return Sale.PAST
    day = local_day(window_starts)
    if at(day - timedelta(days=1), policy.stop_next_day_at) <= now < at(day, time.min):
        return Sale.PAUSED
    return Sale.OPEN


def cancel_until(policy: BookingPolicy, *, visit_type: VisitType, window_starts: datetime) -> datetime:
    """The instant from which only the desk cancels: experts at the visit day's midnight."""
    if visit_type is VisitType.EXPERT:
        return at(local_day(window_starts), time.min)
    return window_starts - policy.cancel_before_window


def recycle_delay(policy: BookingPolicy, chance: float) -> timedelta:
    """How long a given-back number rests; `chance` in [0, 1) is random, so that nobody can wait for it."""
    return policy.recycle_min + (policy.recycle_max - policy.recycle_min) * chance


class Arrival(StrEnum):
    ON_TIME = "on_time"
    LATE = "late"  # after the window's end: waits among the missed
    TOO_LATE = "too_late"
    NOT_TODAY = "not_today"


def arrival(policy: BookingPolicy, *, held_on: date, window_ends: datetime, now: datetime) -> Arrival:
    """Early is free on the visit day; up to 30 minutes after the window's end one may still come."""
    today = local_day(now)
    if today < held_on:
        return Arrival.NOT_TODAY
    if today > held_on or now > window_ends + policy.late_max:
        return Arrival.TOO_LATE
    return Arrival.LATE if now >= window_ends else Arrival.ON_TIME

"""What of an error is shown, what may be left undone, and that the database moves as the Flows say."""

import pytest

from app.kernel.ids import new_id
from app.kernel.tables import DELIVERY_FLOW, JOB_FLOW, DeliveryStatus, JobStatus
from app.letters.rules import ERROR_LENGTH_MAX, only_tells, shown_error
from app.subscriptions import SUBSCRIPTIONS
from tests.make.rows import row, value


def test_an_error_is_shown_without_numbers_and_names() -> None:
    said = "ValueError('阿卜杜拉·买买提 11010519491231002X: no bed')"
    assert shown_error(said) == "ValueError('… 110105********002X: no bed')"
    assert len(shown_error("x" * 2000)) == ERROR_LENGTH_MAX


def test_money_and_care_hang_on_these_and_on_no_others() -> None:
    assert {each.name for each in SUBSCRIPTIONS if not only_tells(each.name)} == {
        "outpatient.book_when_paid",
        "outpatient.settle_late_payment",
        "orders.make_executable",
        "orders.cancel_when_expired",
        "orders.follow_refund",
        "orders.note_refund",
        "pharmacy.queue_when_paid",
        "pharmacy.leave_when_stopped",
    }


@pytest.mark.parametrize("start", list(DeliveryStatus), ids=str)
async def test_deliveries_move_as_the_flow_allows(db: str, start: DeliveryStatus) -> None:
    letter = await row(
        "delivery", event_id=new_id(), event_at=await value("SELECT now()"), subscriber="tests.x",
        lane="live", aggregate_id=new_id(), aggregate_version=1, status=str(start),
    )  # fmt: skip
    spared = await value("SELECT jiuyi.set_letter_aside($1)", letter)
    assert spared == DELIVERY_FLOW.allows(start, DeliveryStatus.ASIDE)
    await value("UPDATE delivery SET status = $2 WHERE id = $1", letter, str(start))
    moved = await value("SELECT count(*) FROM jiuyi.revive_letters($1)", [letter])
    assert (moved == 1) == DELIVERY_FLOW.allows(start, DeliveryStatus.DUE)


@pytest.mark.parametrize("start", [s for s in JobStatus if s is not JobStatus.RUNNING], ids=str)
async def test_jobs_move_as_the_flow_allows(db: str, start: JobStatus) -> None:
    """What runs goes back to DUE by its runner alone, which is fenced (see test_letters)."""
    job = await row("job", kind="tests.x", status=str(start))
    moved = await value("SELECT count(*) FROM jiuyi.revive_letters($1)", [job])
    assert (moved == 1) == JOB_FLOW.allows(start, JobStatus.DUE)

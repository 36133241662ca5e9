"""Every Flow as a full matrix, against the database: a move is possible if, and only if, it is allowed."""

from typing import Any

import pytest

from app.kernel.flow import FLOWS, Flow
from app.kernel.settings import ROOT
from app.piccolo_app import TABLES
from tests.flow_page import flow_page

assert TABLES, "importing the list of tables has declared every Flow"

PAIRS = [
    pytest.param(flow, start, end, id=f"{flow.name}: {start} to {end}")
    for flow in FLOWS
    for start in flow.statuses
    for end in flow.statuses
]


@pytest.mark.parametrize(("flow", "start", "end"), PAIRS)
def test_a_move_is_sent_only_for_allowed_starts(flow: Flow[Any], start: Any, end: Any) -> None:
    assert (start in flow.sources(end)) == (end in flow.moves[start]) == flow.allows(start, end)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_status_has_a_row_and_can_be_reached(flow: Flow[Any]) -> None:
    assert set(flow.moves) == set(flow.statuses)
    reachable = {end for ends in flow.moves.values() for end in ends}
    starts = set(flow.statuses) - reachable
    assert len(starts) <= 1, f"{flow.name}: nothing leads to {starts}"


def test_the_page_of_flows_is_up_to_date() -> None:
    assert (ROOT / "docs/flows.md").read_text() == flow_page(), "python -m tests.flow_page > docs/flows.md"

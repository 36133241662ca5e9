"""The policy covers the house: nothing is served, heard or granted without a row that somebody wrote."""

import pytest
from litestar import Litestar, get
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.testing import TestClient

from app.identity.policy import PUBLIC, Policy, Rows, Veil, permit
from app.identity.policy_rows import POLICY
from app.identity.roles import DeviceKind, Role, StaffRole
from app.identity.signed_in import enforce_policy
from app.kernel.http import EXCEPTION_HANDLERS
from app.kernel.settings import ROOT
from app.veil import out_of_reach
from notifications.kinds import KINDS
from tests.access_page import access_page, handlers, permission_of

SERVED = [
    pytest.param(handler, id=f"{method} {path}")
    for method, path, handler in sorted(handlers(), key=lambda served: served[:2])
]


@pytest.mark.parametrize("handler", SERVED)
def test_every_route_names_a_permission_that_the_policy_knows(handler: BaseRouteHandler) -> None:
    assert permission_of(handler) in POLICY.permissions


def test_a_veil_covers_what_its_replies_have() -> None:
    """A path that no reply has would veil nothing, and nobody would notice."""
    for method, path, handler in handlers():
        for row in POLICY.rows.values():
            if row.permission == permission_of(handler) and row.veil != Veil():
                assert isinstance(handler, HTTPRouteHandler)
                assert not out_of_reach(handler, row.veil), f"{method} {path}"


def test_every_permission_is_used() -> None:
    served = {permission_of(handler) for _, _, handler in handlers()}
    heard = {f"stream.{prefix}" for prefix in KINDS}
    assert POLICY.permissions == served | heard


def test_who_can_log_in_has_a_role_in_the_policy() -> None:
    assert {*StaffRole, *DeviceKind} | {"account", "partner"} == set(Role)


def test_a_permission_has_one_row_for_a_role() -> None:
    with pytest.raises(AssertionError):
        Policy([*permit("a.b", {Role.NURSE: Rows.CARE}), *permit("a.b", {Role.NURSE: Rows.ALL})])


def test_a_route_without_a_permission_is_shut() -> None:
    """The control: what nobody thought of is refused to everybody, and what is public is not."""

    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "open"

    @get("/open", permission=PUBLIC, sync_to_thread=False)
    def public() -> str:
        return "open"

    app = Litestar(
        [forgotten, public],
        guards=[enforce_policy],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
    )
    with TestClient(app) as client:
        assert client.get("/forgotten").status_code == 401
        assert client.get("/open").text == "open"


def test_the_page_of_access_is_up_to_date() -> None:
    page = (ROOT / "docs/access.md").read_text()
    assert page == access_page(), "python -m tests.access_page > docs/access.md"

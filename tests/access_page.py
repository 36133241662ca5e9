"""Prints docs/access.md from the policy and the routes: `python -m tests.access_page > docs/access.md`."""

import sys
from collections.abc import Iterator

from litestar.handlers import BaseRouteHandler

from app.identity.policy import PUBLIC, Row
from app.identity.policy_rows import POLICY
from app.identity.roles import Role
from app.main import app
from notifications.kinds import KINDS

HEAD = """# Who may do what

Made from the policy by `python -m tests.access_page > docs/access.md`; a test compares them. The policy is
`app/identity/policy_rows.py`: what has no row is refused.

Whose rows a permission opens, to the code and, by the same word, to the database:

| word | whose |
|---|---|
| own | persons whom a binding lets this account act for |
| care | persons whom a care relation gives this member of staff, their ward or their department |
| place | persons for whom this device was opened, or whom its ward cares for |
| all | everybody's |
| none | nobody's: the permission is not about a patient |

"step-up" asks for a proof of identity not older than two minutes; "scope" is what a partner's token must
carry; hidden fields are left out of the reply, masked ones are veiled. "logged": every use leaves who, what,
when, where and why in the access log before the reply goes out (docs/decisions/0011-access-log.md).
"""


def handlers() -> Iterator[tuple[str, str, BaseRouteHandler]]:
    """Every (method, path, handler) that the app serves; WS for a websocket."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[attr-defined]
            for method in sorted(getattr(handler, "http_methods", None) or {"WS"}):
                if method != "OPTIONS":
                    yield method, route.path, handler


def permission_of(handler: BaseRouteHandler) -> str:
    return str(handler.opt.get("permission", ""))


def access_page() -> str:
    parts = [HEAD, "\n## Permissions\n"]
    resources = sorted({row.resource for row in POLICY.rows.values()})
    for resource in resources:
        rows = [row for row in POLICY.rows.values() if row.resource == resource]
        parts.append(f"\n### {resource}\n\n| action | who | logged | besides |\n|---|---|---|---|\n")
        for action in sorted({row.action for row in rows}):
            of_action = [row for row in rows if row.action == action]
            logged = "yes" if POLICY.is_logged(of_action[0].permission) else ""
            parts.append(f"| {action} | {_who(of_action)} | {logged} | {_besides(of_action)} |\n")
    parts.append("\nAbout patients, and not logged:\n\n")
    parts += [f"- `{permission}`: {why}\n" for permission, why in POLICY.not_logged.items()]
    parts.append("\n## Routes\n\n| method | path | permission |\n|---|---|---|\n")
    served = {(path, method, permission_of(handler)) for method, path, handler in handlers()}
    parts += [f"| {method} | `{path}` | {permission} |\n" for path, method, permission in sorted(served)]
    parts.append("\n## Streams\n\n| stream | permission |\n|---|---|\n")
    parts += [f"| `{kind.prefix}:ID:{kind.topic}` | stream.{prefix} |\n" for prefix, kind in KINDS.items()]
    parts.append(
        f"\nRoutes with the permission `{PUBLIC}` need no login; each proves its caller in its own way"
    )
    parts.append(" (a platform's code, a password, a signature, a ticket) or has nothing to hide.\n")
    return "".join(parts)


def _who(rows: list[Row]) -> str:
    by_rows: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: list(Role).index(row.role)):
        by_rows.setdefault(str(row.rows), []).append(str(row.role))
    return "; ".join(f"**{rows}**: {', '.join(roles)}" for rows, roles in by_rows.items())


def _besides(rows: list[Row]) -> str:
    words: list[str] = []
    for row in rows:
        if row.step_up:
            words.append("step-up")
        if row.scope:
            words.append(f"scope `{row.scope}`")
        if row.veil.hidden:
            words.append(f"hidden: {', '.join(row.veil.hidden)}")
        if row.veil.masked:
            words.append(f"masked: {', '.join(row.veil.masked)}")
    return "; ".join(dict.fromkeys(words))


if __name__ == "__main__":
    sys.stdout.write(access_page())

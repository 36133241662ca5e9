"""What a token may be used for: a word each for our own clients, SMART's grammar for everybody else's."""

import re

from app.identity.oauth_errors import OAuthRefusal
from app.kernel.actor import ActorKind

INTROSPECT = "introspect"  # may ask about tokens that were issued to others
SYSTEM = "system/"
SMART = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,39})\.(?=[cruds])(c?r?u?d?s?)")
SCOPE_LENGTH_MAX = 400


class ScopeRefused(OAuthRefusal):
    error = code = "invalid_scope"
    message = "申请的授权范围超出该客户端的登记范围，请核对 scope 后重试。"


def own_scope(kind: ActorKind) -> str:
    """The scope of a login in our own pages, phones and devices: all that the role may do there."""
    return str(kind)


def is_well_formed(scope: str) -> bool:
    """Is every word one that a partner's client may be given?"""
    return len(scope) <= SCOPE_LENGTH_MAX and all(
        word == INTROSPECT or SMART.fullmatch(word) for word in scope.split()
    )


def covers(held: str, needed: str) -> bool:
    """Does a token with the scope `held` (words between spaces) reach what the one word `needed` names?

    SMART App Launch 2.0: `system/*.cruds` covers `system/Organization.rs`; a level never covers another.
    """
    return any(word == needed or _contains(word, needed) for word in held.split())


def is_within(wanted: str, allowed: str) -> bool:
    return all(covers(allowed, word) for word in wanted.split())


def _contains(word: str, needed: str) -> bool:
    wide, narrow = SMART.fullmatch(word), SMART.fullmatch(needed)
    if wide is None or narrow is None:
        return False
    return wide[1] == narrow[1] and wide[2] in {"*", narrow[2]} and set(narrow[3]) <= set(wide[3])

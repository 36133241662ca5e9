"""How much may be asked by whom: the policy, as data.

The figures are ours, several times what people and terminals need: a phone screen makes two to five
reads, a booking is one hold, a nurse station asks some ten times a minute. `docs/manuals/transport.md`
tells a hospital how to widen its own networks.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

from app.edge.addresses import ADDRESSES_REMEMBERED_MAX, BadNetwork, Network, networks, parse
from app.edge.buckets import Rate
from app.kernel.settings import settings


class Group(StrEnum):
    """What a route is, to its limits."""

    LOGIN = "login"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    ENROL = "enrol"
    IDENTIFY = "identify"  # where numbers, cards or codes of people could be guessed
    HOLD = "hold"
    PAY = "pay"
    NOTICE = "notice"
    TICKET = "ticket"
    HELLO = "hello"  # the websocket's own: one ticket each
    READ = "read"
    WRITE = "write"
    FREE = "free"  # health, figures, files of the screens


class Who(StrEnum):
    """Whom a bucket belongs to. All but ADDRESS and NUMBER are kinds of actors."""

    ADDRESS = "address"
    NUMBER = "number"  # one time window of numbers, asked for by one actor again and again
    ACCOUNT = "account"
    STAFF = "staff"
    DEVICE = "device"
    CLIENT = "client"


LIMITS: Mapping[Group, Mapping[Who, Rate]] = {
    Group.LOGIN: {Who.ADDRESS: Rate(30, 20), Who.STAFF: Rate(12, 8)},
    Group.TOKEN: {Who.ADDRESS: Rate(120, 60), Who.CLIENT: Rate(60, 30)},
    Group.ENROL: {Who.ADDRESS: Rate(10, 10), Who.STAFF: Rate(30, 20)},
    Group.IDENTIFY: {Who.ADDRESS: Rate(60, 30), Who.ACCOUNT: Rate(12, 8), Who.DEVICE: Rate(30, 15)},
    Group.HOLD: {
        Who.ADDRESS: Rate(30, 20),
        Who.NUMBER: Rate(6, 4),
        Who.ACCOUNT: Rate(12, 8),
        Who.STAFF: Rate(60, 20),
        Who.DEVICE: Rate(30, 15),
    },
    Group.PAY: {
        Who.ADDRESS: Rate(60, 40),
        Who.ACCOUNT: Rate(20, 12),
        Who.STAFF: Rate(60, 20),
        Who.DEVICE: Rate(30, 15),
    },
    Group.NOTICE: {Who.ADDRESS: Rate(6000, 2000)},
    Group.TICKET: {
        Who.ADDRESS: Rate(300, 150),
        Who.ACCOUNT: Rate(60, 30),
        Who.STAFF: Rate(60, 30),
        Who.DEVICE: Rate(60, 30),
        Who.CLIENT: Rate(30, 10),
    },
    Group.HELLO: {
        Who.ADDRESS: Rate(300, 150),
        Who.ACCOUNT: Rate(60, 30),
        Who.STAFF: Rate(60, 30),
        Who.DEVICE: Rate(60, 30),
        Who.CLIENT: Rate(30, 10),
    },
    Group.READ: {
        Who.ADDRESS: Rate(3000, 600),
        Who.ACCOUNT: Rate(600, 150),
        Who.STAFF: Rate(1200, 300),
        Who.DEVICE: Rate(1200, 300),
        Who.CLIENT: Rate(3000, 600),
    },
    Group.WRITE: {
        Who.ADDRESS: Rate(1200, 300),
        Who.ACCOUNT: Rate(120, 40),
        Who.STAFF: Rate(600, 150),
        Who.DEVICE: Rate(300, 80),
        Who.CLIENT: Rate(600, 150),
    },
    Group.FREE: {},
}

# Counted once for all server processes, in Redis: what somebody gains by asking another process.
SHARED = frozenset({Group.LOGIN, Group.TOKEN, Group.ENROL, Group.IDENTIFY, Group.HOLD, Group.PAY})

# (method, path as the router knows it): exact, or the beginning when it ends in *. The first match counts.
# A handler's opt["limit"] goes before all of them.
ROUTES: tuple[tuple[str, str, Group], ...] = (
    ("GET", "/healthz", Group.FREE),
    ("GET", "/readyz", Group.FREE),
    ("GET", "/metrics", Group.FREE),
    ("*", "/ui/assets*", Group.FREE),
    ("*", "/pay/notify/*", Group.NOTICE),
    ("POST", "/api/staff/v1/login", Group.LOGIN),
    ("POST", "/api/staff/v1/login/*", Group.LOGIN),
    ("POST", "/api/staff/v1/step-up", Group.LOGIN),
    ("POST", "/api/staff/v1/password", Group.LOGIN),
    ("POST", "/api/mini-program/v1/login", Group.LOGIN),
    ("*", "/oauth/authorize", Group.LOGIN),
    ("POST", "/oauth/device/enrol", Group.ENROL),
    ("POST", "/api/staff/v1/devices/enrolments", Group.ENROL),
    ("POST", "/oauth/*", Group.TOKEN),
    ("POST", "/rt/tickets", Group.TICKET),
    ("POST", "/api/mini-program/v1/appointments", Group.HOLD),
    ("POST", "/api/kiosk/v1/appointments", Group.HOLD),
    ("POST", "/api/mini-program/v1/bills/{bill_id}/payments", Group.PAY),
    ("POST", "/api/bedside/v1/deposit/top-ups", Group.PAY),
    ("POST", "/api/mini-program/v1/persons", Group.IDENTIFY),
    ("POST", "/api/mini-program/v1/invitations/accept", Group.IDENTIFY),
    ("POST", "/api/mini-program/v1/persons/{person_id}/exports", Group.IDENTIFY),
    ("GET", "/api/mini-program/v1/exports/{export_id}", Group.IDENTIFY),
    ("POST", "/api/kiosk/v1/identify", Group.IDENTIFY),
    ("POST", "/api/bedside/v1/unlock", Group.IDENTIFY),
)

EXEMPT = 0.0
# How many people may stand behind one address: a factor for its own limits, or EXEMPT from them. Never
# for those of accounts and devices. A hospital adds its public addresses by JIUYI_LIMIT_NETWORKS.
NETWORKS: tuple[tuple[str, float], ...] = (
    ("127.0.0.0/8", EXEMPT),  # programs on this machine
    ("::1/128", EXEMPT),
    ("10.0.0.0/8", 20),  # the hospital's own network and Wi-Fi
    ("172.16.0.0/12", 20),
    ("192.168.0.0/16", 20),
    ("fc00::/7", 20),
    ("100.64.0.0/10", 20),  # RFC 6598: a carrier's network address translation
)


class BadLimitNetworks(BadNetwork):
    """JIUYI_LIMIT_NETWORKS is not a list of `network=factor` or `network=exempt`."""


def group_of(method: str, template: str, wanted: str | None = None) -> Group:
    """The group of a route; `wanted` is its handler's own word."""
    if wanted is not None:
        return Group(wanted)
    for verb, path, group in ROUTES:
        same = template.startswith(path[:-1]) if path.endswith("*") else template == path
        if same and verb in {"*", method}:
            return group
    return Group.READ if method in {"GET", "HEAD", "OPTIONS"} else Group.WRITE


def scaled(factor: float) -> Mapping[Group, Mapping[Who, Rate]]:
    """The table for who measures or breaks the house itself, in a server of its own: benches and tests."""
    return {group: {who: rate.times(factor) for who, rate in row.items()} for group, row in LIMITS.items()}


def rate_of(group: Group, who: Who) -> Rate | None:
    """What `who` may; None: nothing counts it there."""
    return LIMITS[group].get(who)


def factor_of(address: str) -> float:
    """What an address's own limits are multiplied with; EXEMPT: they do not apply. The setting goes first."""
    return _factor(address, settings().limit_networks)


@lru_cache(maxsize=ADDRESSES_REMEMBERED_MAX)
def _factor(address: str, own: str) -> float:
    found = parse(address)
    if found is None:
        return 1.0
    table = (
        *own_networks(own),
        *((network, factor) for text, factor in NETWORKS for network in networks(text)),
    )
    for network, factor in table:
        if network.version == found.version and found in network:
            return factor
    return 1.0


def own_networks(text: str) -> list[tuple[Network, float]]:
    """The setting's networks with their factors."""
    table: list[tuple[Network, float]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        network, _, word = part.partition("=")
        try:
            factor = EXEMPT if word.strip() == "exempt" else float(word)
        except ValueError as error:
            raise BadLimitNetworks(f"{part}: a factor or `exempt` after =") from error
        if factor < EXEMPT:
            raise BadLimitNetworks(f"{part}: a factor is positive")
        table += [(found, factor) for found in networks(network)]
    return table

"""`jiuyi bench reads`: what phones and desks read most, over HTTP, with and without the walls."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from app.kernel import clock
from app.kernel.settings import settings
from bench.clients import Load, Measured
from bench.filling import CLIENTS, Plan
from bench.hospitals import Hospital, finish, hospitals
from bench.limit import Found, Task
from bench.outside import plan_for, running

WARM_SECONDS_MAX = 0.5
RISE_MAX = 0.25  # the walls may make the median of these routes so much longer
JUDGED = ("my_appointments", "my_reports", "one_report")
NAMES = {True: "on", False: "off"}
WHICH = {"on": [True], "off": [False], "both": [True, False]}
AUDITED_MIN = 0.60  # of the in-process rate without the access log


Round = dict[str, dict[str, Any]]  # route, or "limit" -> "on" or "off" -> what was found


class Wrong(Exception):
    """The server answered with something other than 200: what was measured is not what was meant."""


def run(*, url: str, walls: str, audit: str, rounds: int, seconds: float, as_json: bool) -> int:
    """Measure and tell; 1 where the walls or the access log cost more than they may."""
    if url:
        outside = asyncio.run(plan_for(url))
        rounds_measured = measure({True: running(url)}, outside, rounds, seconds, audit=[])
    else:
        with hospitals(WHICH[walls], audited=audit != "off") as (asked, asks):
            known = msgspec.json.decode(asks, type=Plan)
            rounds_measured = measure(asked, known, rounds, seconds, audit=WHICH[audit])
    told = report(rounds_measured, rounds=rounds, seconds=seconds)
    kept = keep(told)
    sys.stdout.write(table(told) + f"\n{kept}\n")
    if as_json:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    return 0 if told["ok"] is not False else 1


def measure(
    asked: dict[bool, Hospital], plan: Plan, rounds: int, seconds: float, *, audit: list[bool]
) -> list[Round]:
    measure_round(asked, plan, min(seconds, WARM_SECONDS_MAX), turn=0, audit=audit)
    return [measure_round(asked, plan, seconds, turn, audit=audit) for turn in range(rounds)]


def measure_round(
    asked: dict[bool, Hospital], plan: Plan, seconds: float, turn: int, *, audit: list[bool]
) -> Round:
    """Every route at every server, one right after the other; who comes first takes turns."""
    order = list(asked.items())[:: -1 if turn % 2 else 1]
    found: Round = {}
    for route, clients in plan.routes.items():
        found[route] = {
            NAMES[stand]: put_load(one, Load(
                host=one.config.host, port=one.config.port, seconds=seconds, clients=clients
            ))
            for stand, one in order
        }  # fmt: skip
    if plan.accounts:
        task = Task(accounts=plan.accounts, seconds=seconds, audit=audit[:: -1 if turn % 2 else 1])
        found["limit"] = {NAMES[stand]: find_limit(one, task) for stand, one in order}
    return found


def put_load(one: Hospital, load: Load) -> Measured:
    words = (sys.executable, "-m", "bench.clients")
    found = msgspec.json.decode(finish(one, words, msgspec.json.encode(load)), type=Measured)
    if set(found.statuses) != {"200"}:
        raise Wrong(f"{load.clients[0][0].path}: {found.statuses}")
    return found


def find_limit(one: Hospital, task: Task) -> Found:
    words = (sys.executable, "-m", "bench.limit")
    return msgspec.json.decode(finish(one, words, msgspec.json.encode(task)), type=Found)


def report(rounds_measured: list[Round], *, rounds: int, seconds: float) -> dict[str, Any]:
    names = [name for name in rounds_measured[0] if name != "limit"]
    routes = {name: of_route([one[name] for one in rounds_measured]) for name in names}
    limit = of_limit([one["limit"] for one in rounds_measured if "limit" in one])
    kept = [one["audited"]["median"] for one in limit.values() if "audited" in one]
    rises = {name: route["ratio"]["median"] - 1 for name, route in routes.items() if "ratio" in route}
    return {
        "bench": "reads",
        "at": clock.wall().isoformat(timespec="seconds"),
        "clients": CLIENTS,
        "rounds": rounds,
        "seconds": seconds,
        "routes": routes,
        "limit": limit,
        "target": {"routes": JUDGED, "median_rise_max": RISE_MAX, "audited_min": AUDITED_MIN},
        "ok": judge([rises[name] <= RISE_MAX for name in JUDGED] if rises else [], kept),
    }


def of_route(found: list[dict[str, Measured]]) -> dict[str, Any]:
    """Medians over the rounds; the ratio is of the latencies of one round: on / off."""
    told: dict[str, Any] = {
        stand: {
            name: round(median(getattr(one[stand], name) for one in found), 3)
            for name in ("median_ms", "p99_ms", "per_second")
        }
        for stand in found[0]
    }
    if len(told) == len(NAMES):
        told["ratio"] = spread([one["on"].median_ms / one["off"].median_ms for one in found])
    return told


def judge(walls: list[bool], audited: list[float]) -> bool | None:
    """Whether what was compared kept its target; None: nothing was."""
    kept = [*walls, *(share >= AUDITED_MIN for share in audited)]
    return all(kept) if kept else None


def of_limit(found: list[dict[str, Found]]) -> dict[str, Any]:
    """My appointments in one process, as a share of what pgbench reads with the same statement, and the
    audited ones as a share of those."""
    return {stand: of_stand([one[stand] for one in found]) for stand in (found[0] if found else ())}


def of_stand(found: list[Found]) -> dict[str, Any]:
    told: dict[str, Any] = {"pgbench_per_second": round(median(one.pgbench_per_second for one in found), 1)}
    plain = [one.in_process_per_second for one in found if one.in_process_per_second]
    audited = [one.audited_per_second for one in found if one.audited_per_second]
    if plain:
        told["in_process_per_second"] = round(median(plain), 1)
        told["ratio"] = spread(
            [rate / one.pgbench_per_second for rate, one in zip(plain, found, strict=True)]
        )
    if audited:
        told["audited_per_second"] = round(median(audited), 1)
    if plain and audited:
        told["audited"] = spread([with_it / rate for with_it, rate in zip(audited, plain, strict=True)])
    return told


def spread(ratios: list[float]) -> dict[str, Any]:
    rounded = [round(one, 3) for one in ratios]
    return {"median": round(median(ratios), 3), "min": min(rounded), "max": max(rounded), "rounds": rounded}


def keep(told: dict[str, Any]) -> Path:
    """Under var/bench, named by the second."""
    folder = settings().data / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"reads-{told['at'].replace(':', '')}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1))
    return path


def table(told: dict[str, Any]) -> str:
    lines = [
        f"{told['clients']} clients, {told['rounds']} rounds of {told['seconds']:g} s; medians",
        f"{'route':<18}{'walls':>6}{'median ms':>11}{'p99 ms':>9}{'per s':>9}  on/off [min..max]",
    ]
    for name, route in told["routes"].items():
        for stand in NAMES.values():
            if stand in route:
                one = route[stand]
                line = f"{name:<18}{stand:>6}{one['median_ms']:>11.2f}{one['p99_ms']:>9.2f}"
                line += f"{one['per_second']:>9.0f}"
                lines.append(
                    line + (f"  {words(route['ratio'])}" if stand == "on" and "ratio" in route else "")
                )
    lines += [line for stand, one in told["limit"].items() for line in in_process(stand, one)]
    if told["ok"] is not None:
        verdict = "ok" if told["ok"] else "MISSED"
        lines.append(
            f"target: the walls add at most {RISE_MAX:.0%} to {', '.join(JUDGED)};"
            f" audited reads keep {AUDITED_MIN:.0%}: {verdict}"
        )
    return "\n".join(lines)


def in_process(stand: str, one: dict[str, Any]) -> Iterator[str]:
    pgbench = f"  of pgbench's {one['pgbench_per_second']:.0f}"
    if "ratio" in one:
        rate = one["in_process_per_second"]
        yield f"{'in process':<18}{stand:>6}{rate:>29.0f}{pgbench}: {words(one['ratio'])}"
    if "audited_per_second" in one:
        kept = f"  of that: {words(one['audited'])}" if "audited" in one else ""
        yield f"{'audited':<18}{stand:>6}{one['audited_per_second']:>29.0f}{kept}"


def words(ratio: dict[str, Any]) -> str:
    return f"{ratio['median']:.2f} [{ratio['min']:.2f}..{ratio['max']:.2f}]"

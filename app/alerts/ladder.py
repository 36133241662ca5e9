"""The ladder of a level, from the table that a hospital may change."""

from app.alerts.rules import Rung
from app.alerts.tables import AlertLevel
from app.kernel.database import fetch


async def ladder_of(level: AlertLevel) -> list[Rung]:
    rows = await fetch(
        "SELECT rung, target, wait_seconds, outside FROM alert_rung WHERE level = $1 ORDER BY rung",
        str(level),
    )
    ladder = [Rung(r["rung"], r["target"], r["wait_seconds"], r["outside"]) for r in rows]
    assert ladder, f"no ladder for {level}"
    return ladder

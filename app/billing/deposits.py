"""A stay's deposit: the patient's own money in our hands, receipt by receipt."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from app.billing import postings
from app.billing.charges import insert_bill
from app.billing.tables import BillKind
from app.encounters.tables import EncounterKind, EncounterStatus
from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.errors import DomainError, Invalid
from app.kernel.ids import new_id
from app.kernel.ledger import balance_fen
from app.patients.access import require_may_act_for
from app.patients.tables import Scope

TOP_UP_FEN_LEAST = 1
TOP_UP_FEN_MOST = 5_000_000  # 50,000 yuan: what one wallet payment may carry
TOP_UP_LIFE = timedelta(minutes=15)


class NotAStay(DomainError):
    code = "not_a_stay"
    message = "该患者没有进行中的住院，不能充值预交金。"


class TopUpOutOfRange(Invalid):
    code = "top_up_out_of_range"
    message = "充值金额须在 0.01 元到 50000 元之间，请重新输入。"


@action
async def open_deposit_top_up(actor: Actor, *, encounter_id: UUID, amount_fen: int) -> UUID:
    """A bill over the amount for an open stay; paid, it becomes a deposit receipt."""
    if not TOP_UP_FEN_LEAST <= amount_fen <= TOP_UP_FEN_MOST:
        raise TopUpOutOfRange(encounter_id=encounter_id)
    stay = await fetch_one("SELECT person_id, kind, status FROM encounter WHERE id = $1", encounter_id)
    if stay is None or (stay["kind"], stay["status"]) != (EncounterKind.INPATIENT, EncounterStatus.OPEN):
        raise NotAStay(encounter_id=encounter_id)
    await require_may_act_for(actor, person_id=stay["person_id"], scope=Scope.PAY)
    bill = await insert_bill(
        actor,
        person_id=stay["person_id"],
        encounter_id=encounter_id,
        kind=BillKind.DEPOSIT,
        subject_kind="encounter",
        subject_id=encounter_id,
        amount_fen=amount_fen,
        expires_at=await clock.now() + TOP_UP_LIFE,
    )
    return bill["id"]


async def stay_is_open(encounter_id: UUID) -> bool:
    return await fetch_value("SELECT status = 'open' FROM encounter WHERE id = $1", encounter_id)


async def add_receipt(bill: asyncpg.Record, attempt_id: UUID, at: datetime) -> None:
    await fetch_value(
        "INSERT INTO deposit_receipt (id, encounter_id, bill_id, attempt_id, amount_fen, received_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        new_id(),
        bill["encounter_id"],
        bill["id"],
        attempt_id,
        bill["amount_fen"],
        at,
    )


@query
async def deposit_balance(actor: Actor, *, encounter_id: UUID) -> int:
    """What we hold for the stay, in fen, by the ledger."""
    return -await balance_fen(actor, account=postings.DEPOSITS, subject_id=encounter_id)

"""A terminal opens for its own bed's wristband and digits, tells nothing else, and closes by itself."""

import asyncio
from typing import Any

import pytest

from app.identity.limited import StepUpRequired
from app.inpatient.admission import replace_wristband
from app.inpatient.bedside import (
    BedsideLocked,
    BedsideNotPlaced,
    BedsidePaused,
    IdDigitsWrong,
    WristbandNotThisBed,
    WristbandReplaced,
    WristbandUnknown,
    lock_bedside,
    prove_bedside,
    require_fresh_proof,
    unlock_bedside,
    use_bedside,
)
from app.inpatient.queries import stay_wristband
from app.inpatient.rules import TRIES_MAX
from app.kernel.errors import DomainError
from app.patients.access import may_see
from tests.make import inpatient as make


async def refusal(answer: Any) -> type[DomainError]:
    with pytest.raises(DomainError) as refused:
        await answer
    assert refused.value.ids == {}, "a refusal at a bed names nobody"
    return type(refused.value)


async def band_of(stay: make.StayMade) -> str:
    return await stay_wristband(stay.nurse, admission_id=stay.admission_id)


async def test_the_right_band_and_digits_open_the_terminal(db: str) -> None:
    stay = await make.stay()
    band = await band_of(stay)
    assert not await may_see(stay.terminal, person_id=stay.person_id)
    opened = await unlock_bedside(
        stay.terminal, wristband=f" {band.lower()}\n", id_last6=stay.id_number[-6:].lower()
    )
    used = await use_bedside(stay.terminal, token=opened.token)
    assert (used.admission_id, used.encounter_id) == (stay.admission_id, stay.encounter_id)
    assert await may_see(stay.terminal, person_id=stay.person_id)


async def test_every_wrong_key_has_its_own_refusal(db: str) -> None:
    stay = await make.stay()
    other = await make.stay(ward=stay.ward, nurse=stay.nurse, label="02", name="王五")
    band, digits = await band_of(stay), stay.id_number[-6:]

    def unlock(wristband: str, id_last6: str) -> Any:
        return unlock_bedside(stay.terminal, wristband=wristband, id_last6=id_last6)

    assert await refusal(unlock("JYWB:NOBODY", digits)) is WristbandUnknown
    # The digits of the other patient are right, and the answer is the same as with wrong ones.
    assert await refusal(unlock(await band_of(other), other.id_number[-6:])) is WristbandNotThisBed
    assert await refusal(unlock(await band_of(other), "000000")) is WristbandNotThisBed
    assert await refusal(unlock(band, "000000")) is IdDigitsWrong
    await unlock(band, digits)
    await replace_wristband(stay.nurse, admission_id=stay.admission_id)
    assert await refusal(unlock(band, digits)) is WristbandReplaced
    assert await refusal(unlock(await band_of(stay), digits[1:])) is IdDigitsWrong


async def test_vain_tries_pause_the_terminal_and_only_it(db: str) -> None:
    stay = await make.stay()
    band, digits = await band_of(stay), stay.id_number[-6:]
    other = await make.stay(ward=stay.ward, nurse=stay.nurse, label="02")
    for _ in range(TRIES_MAX):
        assert (
            await refusal(unlock_bedside(stay.terminal, wristband=band, id_last6="000000")) is IdDigitsWrong
        )
    right = unlock_bedside(stay.terminal, wristband=band, id_last6=digits)
    assert await refusal(right) is BedsidePaused
    assert await unlock_bedside(other.terminal, wristband=await band_of(other), id_last6=other.id_number[-6:])
    await make.write("UPDATE bedside_tries SET paused_until = now() - interval '1 second'")
    assert await unlock_bedside(stay.terminal, wristband=band, id_last6=digits)
    assert await make.read("SELECT failures FROM bedside_tries WHERE device_id = $1", stay.terminal.id) == 0


@pytest.mark.commits
async def test_many_tries_at_once_are_all_counted(db: str) -> None:
    stay = await make.stay()
    band = await band_of(stay)
    answers = await asyncio.gather(
        *(unlock_bedside(stay.terminal, wristband=band, id_last6=f"{n:06d}") for n in range(9)),
        return_exceptions=True,
    )
    assert sum(isinstance(a, IdDigitsWrong) for a in answers) == TRIES_MAX, answers
    assert sum(isinstance(a, BedsidePaused) for a in answers) == 9 - TRIES_MAX, answers


async def test_a_session_rests_for_90_seconds_and_using_it_starts_them_anew(db: str) -> None:
    stay = await make.stay()
    opened = await unlock_bedside(stay.terminal, wristband=await band_of(stay), id_last6=stay.id_number[-6:])
    await make.write("UPDATE bedside_session SET expires_at = now() + interval '5 seconds'")
    used = await use_bedside(stay.terminal, token=opened.token)
    left = await make.read("SELECT extract(epoch FROM $1::timestamptz - clock_timestamp())", used.expires_at)
    assert 85 < left <= 90
    await make.write("UPDATE bedside_session SET expires_at = now() - interval '1 second'")
    assert await refusal(use_bedside(stay.terminal, token=opened.token)) is BedsideLocked


async def test_a_session_belongs_to_one_terminal(db: str) -> None:
    stay = await make.stay()
    band, digits = await band_of(stay), stay.id_number[-6:]
    second = (await make.stay(ward=stay.ward, nurse=stay.nurse, label="02")).terminal
    opened = await unlock_bedside(stay.terminal, wristband=band, id_last6=digits)
    assert await refusal(use_bedside(second, token=opened.token)) is BedsideLocked
    again = await unlock_bedside(stay.terminal, wristband=band, id_last6=digits)
    assert await refusal(use_bedside(stay.terminal, token=opened.token)) is BedsideLocked
    assert await use_bedside(stay.terminal, token=again.token)


async def test_a_terminal_that_was_moved_shows_nothing_more(db: str) -> None:
    stay = await make.stay()
    opened = await unlock_bedside(stay.terminal, wristband=await band_of(stay), id_last6=stay.id_number[-6:])
    other_bed = await make.bed(stay.ward, label="02")
    await make.write("UPDATE device SET place_id = $2 WHERE id = $1", stay.terminal.id, other_bed)
    assert await refusal(use_bedside(stay.terminal, token=opened.token)) is BedsideLocked


async def test_locking_ends_the_session_and_the_right_to_see(db: str) -> None:
    stay = await make.stay()
    opened = await unlock_bedside(stay.terminal, wristband=await band_of(stay), id_last6=stay.id_number[-6:])
    for _ in range(2):
        assert await lock_bedside(stay.terminal) == stay.terminal.id
    assert await refusal(use_bedside(stay.terminal, token=opened.token)) is BedsideLocked
    await make.move_clock(seconds=1)
    assert not await may_see(stay.terminal, person_id=stay.person_id)


async def test_only_a_terminal_at_a_bed_can_be_unlocked(db: str) -> None:
    stay = await make.stay()
    kiosk = await make.device(kind="kiosk", place_kind="zone", place_id=stay.bed_id)
    unlock = unlock_bedside(kiosk, wristband=await band_of(stay), id_last6=stay.id_number[-6:])
    assert await refusal(unlock) is BedsideNotPlaced


async def opened_long_ago(stay: make.StayMade, *, seconds: int) -> str:
    opened = await unlock_bedside(stay.terminal, wristband=await band_of(stay), id_last6=stay.id_number[-6:])
    await make.write(f"UPDATE bedside_session SET proved_at = now() - interval '{seconds} seconds'")
    return opened.token


@pytest.mark.parametrize(("seconds", "fresh"), [(0, True), (110, True), (121, False)])
async def test_a_proof_is_fresh_for_two_minutes(db: str, seconds: int, fresh: bool) -> None:
    stay = await make.stay()
    token = await opened_long_ago(stay, seconds=seconds)
    used = await use_bedside(stay.terminal, token=token)
    if fresh:
        require_fresh_proof(used)
    else:
        with pytest.raises(StepUpRequired, match="step_up_required"):
            require_fresh_proof(used)


async def test_proving_again_renews_the_proof_and_keeps_the_session(db: str) -> None:
    stay = await make.stay()
    token = await opened_long_ago(stay, seconds=300)
    again = await prove_bedside(
        stay.terminal, token=token, wristband=await band_of(stay), id_last6=stay.id_number[-6:]
    )
    require_fresh_proof(again)
    assert again.session_id == (await use_bedside(stay.terminal, token=token)).session_id
    assert await make.read("SELECT count(*) FROM bedside_session") == 1


async def test_a_vain_proof_is_counted_and_leaves_the_old_one(db: str) -> None:
    stay = await make.stay()
    other = await make.stay(ward=stay.ward, nurse=stay.nurse, label="02", name="王五")
    token, band = await opened_long_ago(stay, seconds=300), await band_of(stay)

    def prove(wristband: str, id_last6: str) -> Any:
        return prove_bedside(stay.terminal, token=token, wristband=wristband, id_last6=id_last6)

    assert await refusal(prove(await band_of(other), other.id_number[-6:])) is WristbandNotThisBed
    for _ in range(TRIES_MAX - 1):
        assert await refusal(prove(band, "000000")) is IdDigitsWrong
    assert await refusal(prove(band, stay.id_number[-6:])) is BedsidePaused
    with pytest.raises(StepUpRequired):
        require_fresh_proof(await use_bedside(stay.terminal, token=token))


async def test_a_closed_terminal_proves_nothing(db: str) -> None:
    stay = await make.stay()
    token, band = await opened_long_ago(stay, seconds=0), await band_of(stay)
    await lock_bedside(stay.terminal)
    prove = prove_bedside(stay.terminal, token=token, wristband=band, id_last6=stay.id_number[-6:])
    assert await refusal(prove) is BedsideLocked

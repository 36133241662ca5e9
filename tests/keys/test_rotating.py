"""Keys change under a hospital that works: everything is rewritten, nobody is lost, nobody is there twice."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.identity.channel_login import ensure_account
from app.identity.enrolment import offer_enrolment
from app.identity.roles import DeviceKind, PlaceKind, Platform
from app.kernel import clock, crypto
from app.kernel.actor import Actor, system
from app.kernel.crypto import KEY_FILE, Suite, decrypt, encrypt, open_token, read_key_ring, sign_token
from app.kernel.database import action, fetch, fetch_value
from app.kernel.ids import new_id
from app.keys import ring as rings
from app.keys import rotating
from app.keys.rotating import RowsStillUse, TooEarly, retire, rotate, show
from app.keys.sealed import SEALED
from app.patients.queries import find_by_id_number, registered_as
from app.patients.registering import register_person
from tests.make import identity, patients
from tests.make.inpatient import rows, write
from tests.make.rows import row, value
from tests.make.two_patients import world

pytestmark = pytest.mark.commits

TEST = system("test")


class Killed(BaseException):
    """What no code of ours catches."""


async def turn(keys: Path, *, suite: Suite | None = None) -> tuple[rotating.Rotated, list[str]]:
    said: list[str] = []
    done = await rotate(keys, suite=suite, settle_seconds=0, say=said.append)
    return done, said


async def everything() -> dict[str, tuple[str, str, str | None]]:
    """Every sealed value: place.id -> (key id, plain text, index key id)."""
    found: dict[str, tuple[str, str, str | None]] = {}
    for each in SEALED:
        for stored in await rows(f"SELECT * FROM {each.table} WHERE {each.column} IS NOT NULL"):
            context = f"{each.place}.{stored[each.id_column]}"
            index = stored[each.index_column].partition(":")[0] if each.index_column else None
            sealed = stored[each.column]
            found[context] = (sealed.partition(":")[0], decrypt(sealed, context=context), index)
    return found


async def a_full_hospital() -> None:
    """At least one value in every registered column."""
    about = await world()
    await patients.person(name="王小芳", phone="13912345678", address="浙江省杭州市西湖区文三路1号")
    await ensure_account(TEST, platform=Platform.ALIPAY, subject="2088102146225135")
    staff_id, _ = await identity.staff_login()
    await identity.totp_seed(staff_id)
    pending = encrypt("NEWSEED", context=f"totp_seed.pending_seed.{staff_id}")
    await write(
        "UPDATE totp_seed SET pending_seed = $2, pending_until = now() WHERE staff_id = $1", staff_id, pending
    )
    asked = UUID(about.ids["data_request_id"])
    await write(
        "UPDATE data_request SET wanted = $2, answer = $3 WHERE id = $1",
        asked,
        encrypt("{}", context=f"data_request.wanted.{asked}"),
        encrypt("已办理", context=f"data_request.answer.{asked}"),
    )
    attempt_id = UUID(about.ids["attempt_id"])
    await write(
        "UPDATE attempt SET payer = $2 WHERE id = $1",
        attempt_id,
        encrypt("openid-1", context=f"attempt.payer.{attempt_id}"),
    )
    request_id = new_id()
    texts = {
        name: encrypt(f"{name}的内容", context=f"data_request.{name}.{request_id}")
        for name in ("text", "wanted", "answer")
    }
    await row(
        "data_request", id=request_id, person_id=UUID(about.ids["person_id"]), staff_id=new_id(),
        kind="correction", topics=["phone"], status="received", asked_at=clock.wall(),
        due_on=clock.wall().date(), **texts,
    )  # fmt: skip
    notice_id = new_id()
    await row(
        "pay_notice", id=notice_id, channel="wechat", notice_id="n1", kind="k", reference="r",
        outcome="noted", content=encrypt("{}", context=f"pay_notice.content.{notice_id}"),
    )  # fmt: skip


@pytest.mark.parametrize("suite", list(Suite))
async def test_every_value_comes_under_the_new_keys(hospital: Path, suite: Suite) -> None:
    await a_full_hospital()
    before = await everything()
    places = {context.rpartition(".")[0] for context in before}
    assert places == {each.place for each in SEALED}
    done, said = await turn(hospital, suite=suite)
    after = await everything()
    assert {context: plain for context, (_, plain, _) in after.items()} == {
        context: plain for context, (_, plain, _) in before.items()
    }
    assert {key for key, _, _ in after.values()} == {"2"}
    assert {index for _, _, index in after.values()} == {"2", None}
    assert (done.resealed, done.unreadable) == (len(before), [])
    assert any("person.id_number" in line for line in said)
    [last] = await rows(
        "SELECT v.* FROM person p, jiuyi.history_of('person', p.id::text, NULL, 1) v ORDER BY p.id LIMIT 1"
    )
    assert (last["op"], last["actor_kind"], last["reason"]) == ("U", "system", "更换加密密钥")
    ring = read_key_ring(hospital / KEY_FILE)
    assert (ring.fields["2"].suite, ring.indexes["2"].suite, ring.rotation) == (suite, suite, None)
    for context, (_, plain, _) in after.items():
        if context.startswith("person.id_number."):
            found = await find_by_id_number(TEST, id_number=plain)
            assert str(found) == context.rpartition(".")[2]
    assert await ensure_account(TEST, platform=Platform.ALIPAY, subject="2088102146225135") is not None
    assert await value("SELECT count(*) FROM account_login WHERE platform = 'alipay'") == 1


async def test_the_suite_stays_unless_another_is_asked_for(hospital: Path) -> None:
    await turn(hospital, suite=Suite.SM4_GCM)
    await turn(hospital)
    ring = read_key_ring(hospital / KEY_FILE)
    assert [key.suite for key in ring.fields.values()] == [Suite.AES_GCM, Suite.SM4_GCM, Suite.SM4_GCM]


async def test_tokens_and_old_ciphertext_survive(hospital: Path) -> None:
    token = sign_token(b"challenge", purpose="p")
    kept = encrypt("as it was in March", context="record_version.1")
    await turn(hospital, suite=Suite.SM4_GCM)
    assert open_token(token, purpose="p") == b"challenge"
    assert decrypt(kept, context="record_version.1") == "as it was in March"


async def test_an_interrupted_rotation_goes_on_with_the_same_keys(
    hospital: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person_id = await patients.person(phone="13912345678")
    for stop_at in ("make_current", "finish"):

        def dies(path: Path) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(rings, stop_at, dies)
            with pytest.raises(Killed):
                await turn(hospital, suite=Suite.SM4_GCM)
    assert (await everything())[f"person.phone.{person_id}"][0] == "2"
    with pytest.raises(rings.OtherRotationUnfinished):
        await turn(hospital, suite=Suite.AES_GCM)
    with pytest.raises(rings.RingUnfinished):
        await retire(hospital)
    done, _ = await turn(hospital)
    assert (done.field, set(read_key_ring(hospital / KEY_FILE).fields)) == ("2", {"1", "2"})


async def test_one_command_at_a_time(hospital: Path) -> None:
    with rings.held_ring(hospital), pytest.raises(rings.RotationRuns):
        await turn(hospital)
    await turn(hospital)


async def test_a_change_under_way_is_not_overwritten(hospital: Path) -> None:
    person_id = await patients.person(phone="13912345678")
    changed, may_commit = asyncio.Event(), asyncio.Event()

    @action
    async def change_phone(actor: Actor) -> None:
        context = f"person.phone.{person_id}"
        sealed = encrypt("13700000000", context=context)
        await fetch_value("UPDATE person SET phone = $2 WHERE id = $1", person_id, sealed)
        changed.set()
        await may_commit.wait()

    changing = asyncio.create_task(change_phone(TEST))
    await changed.wait()
    turning = asyncio.create_task(turn(hospital))
    await asyncio.sleep(0.5)
    assert not turning.done()
    may_commit.set()
    await asyncio.gather(changing, turning)
    assert (await everything())[f"person.phone.{person_id}"] == ("2", "13700000000", "2")


async def test_what_no_key_opens_is_named_and_left(hospital: Path) -> None:
    person_id, other = await patients.person(phone="13912345678"), await patients.person(phone="13912345679")
    stolen = await value("SELECT phone FROM person WHERE id = $1", other)
    await write("UPDATE person SET phone = $2 WHERE id = $1", person_id, stolen)
    done, _ = await turn(hospital)
    assert done.unreadable == [f"person.phone.{person_id}"]
    assert await value("SELECT phone FROM person WHERE id = $1", person_id) == stolen
    with pytest.raises(RowsStillUse):
        await retire(hospital)


async def test_old_index_keys_retire_when_nothing_is_found_by_them(
    hospital: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = patients.id_number()
    person_id = await patients.person(number=number)
    assert await retire(hospital) == []
    await offer_enrolment(
        identity.staff_actor(new_id(), role="system_admin"),
        kind=DeviceKind.KIOSK,
        label="自助机",
        place_kind=PlaceKind.ZONE,
        place_id=new_id(),
        place_name="大厅",
    )
    await turn(hospital)
    with pytest.raises(RowsStillUse):
        await retire(hospital)
    await write("UPDATE device_enrolment SET expires_at = now() - interval '1 minute'")
    with pytest.raises(TooEarly):
        await retire(hospital)
    later = clock.wall() + timedelta(hours=1, minutes=1)
    monkeypatch.setattr(clock, "wall", lambda: later)
    assert await retire(hospital) == ["1"]
    assert await retire(hospital) == []
    ring = read_key_ring(hospital / KEY_FILE)
    assert (set(ring.fields), set(ring.indexes)) == ({"1", "2"}, {"2"})
    assert crypto.fresh_key_ring() == ring
    assert await find_by_id_number(TEST, id_number=number) == person_id


async def test_keys_are_shown_without_their_secrets(hospital: Path) -> None:
    await patients.person(phone="13912345678")
    await turn(hospital, suite=Suite.SM4_GCM)
    await patients.person(phone="13912345679")
    shown = await show(hospital)
    assert [(key.kind, key.id, str(key.suite), key.current, key.values) for key in shown] == [
        ("field", "1", "aes-gcm", False, 0),
        ("field", "2", "sm4-gcm", True, 4),
        ("index", "1", "aes-gcm", False, 0),
        ("index", "2", "sm4-gcm", True, 4),
    ]
    ring = read_key_ring(hospital / KEY_FILE)
    assert not [key for key in (*ring.fields.values(), *ring.indexes.values()) if key.secret in repr(shown)]


async def test_a_table_is_walked_in_windows(hospital: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [await patients.person() for _ in range(7)]
    monkeypatch.setattr("app.keys.resealing.ROWS_RESEALED_MAX", 3)
    monkeypatch.setattr("app.keys.resealing.ROWS_COUNTED_MAX", 2)
    done, said = await turn(hospital)
    assert done.resealed == len(made)
    assert [line for line in said if "id_number" in line][-1].endswith(" 7 行")


@contextlib.contextmanager
def two_processes(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tasks named `early` still write with the first keys, the others already with the second."""
    rings.begin(keys / KEY_FILE, None)
    early = read_key_ring(keys / KEY_FILE)
    late = rings.make_current(keys / KEY_FILE)

    def ring_of_task() -> crypto.KeyRing:
        task = asyncio.current_task()
        return early if task is not None and task.get_name() == "early" else late

    with monkeypatch.context() as patch:
        patch.setattr(crypto, "key_ring", ring_of_task)
        yield


async def both_at_once(write_one: Callable[[], Coroutine[Any, Any, UUID]]) -> list[UUID]:
    """The early process writes, and commits while the late one is about to write the same."""
    wrote, may_commit = asyncio.Event(), asyncio.Event()

    @action
    async def early(actor: Actor) -> UUID:
        made = await write_one()
        wrote.set()
        await may_commit.wait()
        return made

    first = asyncio.create_task(early(TEST), name="early")
    await wrote.wait()
    second = asyncio.create_task(write_one(), name="late")
    await asyncio.sleep(0.3)
    may_commit.set()
    return list(await asyncio.gather(first, second))


async def unlocked() -> None:
    """The protection switched off: nobody waits for who writes the same value."""
    await as_owner(
        TEST, "CREATE OR REPLACE FUNCTION jiuyi.hold_indexes(indexes text[]) RETURNS void LANGUAGE sql AS ''"
    )


@action
async def as_owner(actor: Actor, statement: str) -> None:
    await fetch("RESET ROLE")
    await fetch(statement)


async def test_one_person_is_not_registered_under_two_index_keys(
    hospital: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = patients.form()
    with two_processes(hospital, monkeypatch):
        first, second = await both_at_once(lambda: register_person(TEST, form=form))
    assert first == second
    assert await value("SELECT array_agg(split_part(id_number_index, ':', 1)) FROM person") == ["1"]


async def test_one_login_is_not_made_twice_under_two_index_keys(
    hospital: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_processes(hospital, monkeypatch):
        first, second = await both_at_once(
            lambda: ensure_account(TEST, platform=Platform.WECHAT, subject="openid-1")
        )
    assert first == second


async def test_control_without_the_hold_there_are_two(
    hospital: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await value("SELECT pg_get_functiondef('jiuyi.hold_indexes'::regproc)")
    await unlocked()
    form = patients.form()
    with two_processes(hospital, monkeypatch):
        first, second = await both_at_once(lambda: register_person(TEST, form=form))
    assert first != second
    assert await registered_as(TEST, id_number=form.id_number or "") is not None
    await as_owner(TEST, held)

"""One row per human being: found by the ID number's blind index, made where there is none."""

import re
from datetime import date
from uuid import UUID

import msgspec

from app.kernel import clock
from app.kernel.actor import Actor
from app.kernel.crypto import blind_index, blind_indexes, encrypt
from app.kernel.database import action, fetch_value
from app.kernel.errors import DomainError, Invalid
from app.kernel.events import emit
from app.kernel.ids import new_id
from app.patients.events import PersonRegistered
from app.patients.queries import OnFile, registered_as
from app.patients.rules import IdNumber, PhoneAnswer, clean_name, may_lack_number, read_id_number
from app.patients.tables import IdKind, NoIdReason, Sex

NAME_LENGTH_MAX = 60
ADDRESS_LENGTH_MAX = 200
PHONE = re.compile(r"1[3-9]\d{9}")


class NameMalformed(Invalid):
    code = "name_malformed"
    message = "姓名不能为空且不超过 60 个字，请按证件填写。"


class IdNumberInvalid(Invalid):
    code = "id_number_invalid"
    message = "身份证号码不正确，请核对 18 位号码（末位可为 X）后重新填写。"


class IdNumberDisagrees(Invalid):
    code = "id_number_disagrees"
    message = "性别或出生日期与身份证号码不一致，请核对后重新填写。"


class IdNumberNeeded(Invalid):
    code = "id_number_needed"
    message = "请填写身份证号码；只有刚出生、还没有号码的新生儿可以暂不填写。"


class PhoneInvalid(Invalid):
    code = "phone_invalid"
    message = "手机号码不正确，请填写 11 位手机号码。"


class AddressInvalid(Invalid):
    code = "address_invalid"
    message = "住址不能为空且不超过 200 个字，请填写到门牌号，或不填写。"


class NameDisagrees(DomainError):
    code = "name_disagrees"
    message = "该身份证号码已登记，但姓名不一致，请核对姓名，或持证件到服务窗口更正。"


class PersonForm(msgspec.Struct, frozen=True, kw_only=True):
    """A person as somebody states it."""

    name: str
    sex: Sex
    born_on: date
    id_number: str | None = None
    no_id_reason: NoIdReason | None = None
    phone: str | None = None
    address: str | None = None


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """`is_new`: nobody knew the person before. `phone` compares the stated number with the one on file."""

    id: UUID
    is_new: bool
    phone: PhoneAnswer


@action
async def register_person(actor: Actor, *, form: PersonForm) -> UUID:
    return (await find_or_register(actor, form=form)).id


@action
async def find_or_register(actor: Actor, *, form: PersonForm) -> Registered:
    """The person with this number, whose name must agree, or a new row. A newborn always is a new row."""
    name = clean_name(form.name)
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise NameMalformed
    if form.phone is not None and not PHONE.fullmatch(form.phone):
        raise PhoneInvalid
    if form.address is not None and not 0 < len(form.address.strip()) <= ADDRESS_LENGTH_MAX:
        raise AddressInvalid
    known = await _checked_number(form)
    number = None if known is None else known.number
    on_file = None if number is None else await registered_as(actor, id_number=number)
    if on_file is None:
        added = await _add(actor, form, name, number)
        if added is not None:
            answer = PhoneAnswer.NONE_ON_FILE if form.phone is None else PhoneAnswer.AGREES
            return Registered(id=added, is_new=True, phone=answer)
        # Registered by somebody else while we were looking; that row has committed.
        assert number is not None
        on_file = await registered_as(actor, id_number=number)
    assert on_file is not None
    if clean_name(on_file.name) != name:
        raise NameDisagrees
    return Registered(id=on_file.person_id, is_new=False, phone=_compared(on_file, form))


def _compared(on_file: OnFile, form: PersonForm) -> PhoneAnswer:
    if on_file.phone_index is None:
        return PhoneAnswer.NONE_ON_FILE
    if form.phone is None:
        return PhoneAnswer.NOT_STATED
    agrees = on_file.phone_index in blind_indexes(form.phone, column="person.phone")
    return PhoneAnswer.AGREES if agrees else PhoneAnswer.DISAGREES


async def _checked_number(form: PersonForm) -> IdNumber | None:
    today = await clock.today()
    if form.id_number is None:
        if form.no_id_reason is None or not may_lack_number(today, form.born_on):
            raise IdNumberNeeded
        return None
    known = read_id_number(form.id_number, today=today)
    if known is None:
        raise IdNumberInvalid
    if (known.sex, known.born_on) != (str(form.sex), form.born_on):
        raise IdNumberDisagrees
    return known


async def _add(actor: Actor, form: PersonForm, name: str, number: str | None) -> UUID | None:
    person_id = new_id()
    address = form.address and form.address.strip()
    added = await fetch_value(
        "SELECT jiuyi.add_person($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        person_id,
        name,
        str(form.sex),
        form.born_on,
        str(IdKind.NONE if number is None else IdKind.ID_CARD),
        number and encrypt(number, context=f"person.id_number.{person_id}"),
        number and blind_index(number, column="person.id_number"),
        number and blind_indexes(number, column="person.id_number"),
        str(form.no_id_reason) if number is None else None,
        form.phone and encrypt(form.phone, context=f"person.phone.{person_id}"),
        form.phone and blind_index(form.phone, column="person.phone"),
        address and encrypt(address, context=f"person.address.{person_id}"),
    )
    if not added:
        return None
    await emit(actor, PersonRegistered(person_id=person_id))
    return person_id

"""Making the insured, for tests: every number is right in form and plainly made up."""

import secrets
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from simulators.book import BANK, move
from simulators.insurance_bureau.persons import Person, find
from simulators.insurance_bureau.platform import Bureau, account
from simulators.people import PhoneRefusal
from simulators.store import stored

MADE_UP_AREA = "990000"  # no area of China has this code
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643
CHECK_DIGITS = "10X98765432"
ACCOUNT_FEN = 200_000


class NewPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=50)]
    certno: str | None = None
    insutype: Literal["310", "390"] = "310"
    psn_type: Annotated[str, Meta(pattern=r"^\d{2,6}$")] = "11"  # 11 working, 12 retired
    psn_insu_stas: Literal["1", "2"] = "1"  # 1 insured, 2 paused
    cvlserv_flag: Literal["0", "1"] = "0"
    insuplc_admdvs: Annotated[str, Meta(pattern=r"^\d{6}$")] = "990100"
    account_fen: Annotated[int, Meta(ge=0)] = ACCOUNT_FEN


def enrol(platform: Bureau, new: NewPerson, now: datetime) -> Person:
    certno = new.certno or made_up_certno()
    if not is_certno(certno):
        raise PhoneRefusal(400, "CERTNO_INVALID", "证件号码须为 18 位且校验位正确")
    if platform.store.value("select 1 from person where certno = :certno", certno=certno):
        raise PhoneRefusal(409, "CERTNO_TAKEN", "该证件号码已参保")
    psn_no = f"{new.insuplc_admdvs}{secrets.randbelow(10**16):016d}"
    with platform.store.transaction():
        platform.store.run(
            """insert into person values (:psn_no, :psn_name, :certno, :gend, :brdy, :insutype, :psn_type,
                   :psn_insu_stas, :cvlserv_flag, :insuplc_admdvs, :card_no, :card_sn, :created_at)""",
            psn_no=psn_no,
            psn_name=new.name,
            certno=certno,
            gend="1" if int(certno[16]) % 2 else "2",
            brdy=f"{certno[6:10]}-{certno[10:12]}-{certno[12:14]}",
            insutype=new.insutype,
            psn_type=new.psn_type,
            psn_insu_stas=new.psn_insu_stas,
            cvlserv_flag=new.cvlserv_flag,
            insuplc_admdvs=new.insuplc_admdvs,
            card_no=f"Y{secrets.randbelow(10**8):08d}",
            card_sn=secrets.token_hex(16).upper(),
            created_at=stored(now),
        )
        if new.account_fen > 0:
            move(
                platform.store,
                kind="opening",
                reference=psn_no,
                at=now,
                source=BANK,
                target=account(psn_no),
                amount_fen=new.account_fen,
            )
    person = find(platform, psn_no)
    assert person is not None
    return person


def made_up_certno() -> str:
    """An identity number of nobody: born 1950 to 1999 in an area that does not exist."""
    born = date(1950, 1, 1) + timedelta(days=secrets.randbelow(365 * 50))
    first = f"{MADE_UP_AREA}{born:%Y%m%d}{secrets.randbelow(1000):03d}"
    return first + check_digit(first)


def check_digit(first: str) -> str:
    """ISO 7064, MOD 11-2, over the first seventeen digits (GB 11643)."""
    return CHECK_DIGITS[sum(int(d) * w for d, w in zip(first, WEIGHTS, strict=True)) % 11]


def is_certno(text: str) -> bool:
    first = text[:17]
    if len(text) != 18 or not (first.isascii() and first.isdigit()) or text[17] != check_digit(first):
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return True

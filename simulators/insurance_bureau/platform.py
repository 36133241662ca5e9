"""The simulated insurance bureau: which hospital it knows, its keys, and what it remembers."""

import secrets
from datetime import datetime
from pathlib import Path

import msgspec

from app.kernel.clock import LOCAL
from simulators import book, keys, national_ciphers, notices
from simulators.clock import Now
from simulators.faults import OF_NOTICES, Act, Fault, FaultBoard, Moment, Part
from simulators.insurance_bureau import catalogue, mishaps, money_tables, tables
from simulators.store import Store

PLAIN, SEALED = "plain", "sm2_sm4"
PROFILES = (PLAIN, SEALED)
INFVER = "V1.0"
CALL_PATH = "/fsi/api/rsfComIfsService/callService"

# Nothing is told without being asked, so no fault of a notification has a meaning here.
FAULTS = (
    Fault("stale_reply", Part.REPLY, "应答的时间早了 301 秒（签名正确）"),
    Fault("garbled_reply", Part.REPLY, "应答的 output 用陌生密钥加密（签名正确）"),
    Fault("sign_in_expired", Part.REPLY, "签到全部失效，本次及以后须重新签到", Act.MANGLE, Moment.BEFORE),
)


class Identity(msgspec.Struct, frozen=True):
    """The one hospital under contract."""

    fixmedins_code: str
    fixmedins_name: str
    admdvs: str
    sm4_key: str


class Bureau:
    name = "insurance_bureau"
    courier: notices.Courier  # hired when the platform opens

    def __init__(self, folder: Path, now: Now) -> None:
        kept = folder / "keys"
        self.now = now
        self.folder = folder
        self.identity = keys.remembered(kept / "insurance_bureau_identity.json", _new_identity())
        self.hospital_key_path = kept / "insurance_bureau_hospital_key.pem"
        self.hospital_public_path = kept / "insurance_bureau_hospital_public_key.pem"
        self.public_path = kept / "insurance_bureau_public_key.pem"
        self.hospital_key = national_ciphers.stored_key(self.hospital_key_path)
        self.key = national_ciphers.stored_key(kept / "insurance_bureau_key.pem")
        keys.write_private(self.hospital_public_path, national_ciphers.public_pem(self.hospital_key))
        keys.write_private(self.public_path, national_ciphers.public_pem(self.key))
        self.sm4_key = bytes.fromhex(self.identity.sm4_key)
        schemas = (book.SCHEMA, notices.SCHEMA, tables.SCHEMA, money_tables.SCHEMA)
        self.store = Store(folder / "insurance_bureau.sqlite", *schemas)
        catalogue.fill(self.store)
        self.faults = FaultBoard(*FAULTS, *mishaps.FAULTS, without=OF_NOTICES)

    @property
    def profile(self) -> str:
        """How the hospital speaks: plain JSON, or signed with SM2 and encrypted with SM4."""
        return self.store.value("select value from setting where name = 'profile'") or SEALED

    def switch(self, profile: str) -> None:
        assert profile in PROFILES, profile
        self.store.run("insert or replace into setting values ('profile', :profile)", profile=profile)

    def number(self, prefix: str, now: datetime) -> str:
        """A new number of the bureau's: prefix, Beijing day, twelve random digits."""
        return f"{prefix}{now.astimezone(LOCAL):%Y%m%d}{secrets.randbelow(10**12):012d}"

    def card(self, base_url: str) -> dict[str, str]:
        """What an outside client is configured with; keys also as hexadecimal digits, as many take them."""
        return {
            "call_url": base_url + CALL_PATH,
            "profile": self.profile,
            "fixmedins_code": self.identity.fixmedins_code,
            "fixmedins_name": self.identity.fixmedins_name,
            "mdtrtarea_admvs": self.identity.admdvs,
            "infver": INFVER,
            "recer_sys_code": "FSI_LOCAL",
            "hospital_private_key_path": str(self.hospital_key_path),
            "hospital_public_key_path": str(self.hospital_public_path),
            "hospital_private_key_hex": f"{self.hospital_key.private:064x}",
            "platform_public_key_path": str(self.public_path),
            "platform_public_key_hex": self.key.public.hex(),
            "sm4_key_hex": self.identity.sm4_key,
        }


def account(psn_no: str) -> str:
    """A person's own account with the insurance (个人账户)."""
    return f"account:{psn_no}"


def fund(name: str) -> str:
    return f"fund:{name}"


def hospital(fixmedins_code: str) -> str:
    """What the bureau owes the hospital for settled visits."""
    return f"hospital:{fixmedins_code}"


def _new_identity() -> Identity:
    return Identity(
        fixmedins_code=f"H99{secrets.randbelow(10**9):09d}",
        fixmedins_name="就医示范医院",
        admdvs="990100",
        sm4_key=secrets.token_hex(national_ciphers.SM4_KEY_BYTES),
    )

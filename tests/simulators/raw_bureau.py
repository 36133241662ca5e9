"""A client of the insurance bureau written from the protocol's text: SM2 and SM4 by gmssl alone."""

import itertools
import json
from base64 import b64decode, b64encode
from typing import Any

import httpx
from gmssl.sm2 import CryptSM2
from gmssl.sm4 import SM4_DECRYPT, SM4_ENCRYPT, CryptSM4

from app.kernel.clock import LOCAL, wall
from tests.simulators.conftest import Simulators

BUREAU = "insurance_bureau"
SEQUENCE = itertools.count(1)


class Forged(Exception):
    """The answer is not the platform's."""


class Client:
    """Signs, encrypts, and believes only what the platform signed."""

    def __init__(self, simulators: Simulators) -> None:
        self.http = simulators.http
        self.card = simulators.cards[BUREAU]
        self.sealed = True
        self.sign_no = ""
        self.signer = CryptSM2(self.card["hospital_private_key_hex"], "")
        self.signer.public_key = _public_half(self.card["hospital_private_key_hex"])
        self.bureau = CryptSM2("", "")
        self.bureau.public_key = self.card["platform_public_key_hex"][2:]
        self.sm4_key = bytes.fromhex(self.card["sm4_key_hex"])

    def msgid(self) -> str:
        return f"{self.card['fixmedins_code']}{self.now():%Y%m%d%H%M%S}{next(SEQUENCE) % 10_000:04d}"

    def now(self) -> Any:
        return wall().astimezone(LOCAL)

    def envelope(self, infno: str, content: Any, /, **change: Any) -> dict[str, Any]:
        """The signed and encrypted message; what `change` sets to None is left out."""
        message: dict[str, Any] = {
            "infno": infno,
            "msgid": self.msgid(),
            "mdtrtarea_admvs": self.card["mdtrtarea_admvs"],
            "insuplc_admdvs": "990100",
            "recer_sys_code": self.card["recer_sys_code"],
            "dev_no": "",
            "dev_safe_info": "",
            "cainfo": "",
            "signtype": "SM2" if self.sealed else "",
            "enc_type": "SM4" if self.sealed else "",
            "infver": self.card["infver"],
            "opter_type": "1",
            "opter": "1001",
            "opter_name": "收费员",
            "inf_time": f"{self.now():%Y-%m-%d %H:%M:%S}",
            "fixmedins_code": self.card["fixmedins_code"],
            "fixmedins_name": self.card["fixmedins_name"],
            "sign_no": self.sign_no,
            "input": self.encrypt(content) if self.sealed else content,
        }
        message = {k: v for k, v in {**message, **change}.items() if v is not None}
        if self.sealed and "cainfo" not in change:
            message["cainfo"] = self.sign(message)
        return message

    def post(self, infno: str, content: Any, /, **change: Any) -> httpx.Response:
        return self.http.post(self.card["call_url"], json=self.envelope(infno, content, **change))

    def call(self, infno: str, content: Any, /, **change: Any) -> dict[str, Any]:
        """The believed answer, its output decrypted."""
        return self.read(self.post(infno, content, **change))

    def read(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        told = answer.json()
        if not self.sealed:
            return told
        signature = b64decode(told["cainfo"]).hex()
        if len(signature) != 128 or not self.bureau.verify_with_sm3(signature, _string_to_sign(told)):
            raise Forged(told)
        if told["output"] is not None:
            told["output"] = json.loads(self.decrypt(told["output"]))
        return told

    def output(self, infno: str, content: Any, /, **change: Any) -> dict[str, Any]:
        """The output of a call that must succeed."""
        told = self.call(infno, content, **change)
        assert told["infcode"] == "0", told
        return told["output"]

    def sign_in(self) -> str:
        asked = {"signIn": {"opter_no": "1001", "mac": "00-00-5E-00-53-01", "ip": "192.0.2.1"}}
        self.sign_no = self.output("9001", asked, sign_no="")["signinoutb"]["sign_no"]
        return self.sign_no

    def sign(self, message: dict[str, Any]) -> str:
        signed = self.signer.sign_with_sm3(_string_to_sign(message))
        assert signed is not None
        return b64encode(bytes.fromhex(signed)).decode()

    def encrypt(self, content: Any) -> str:
        cipher = CryptSM4()
        cipher.set_key(self.sm4_key, SM4_ENCRYPT)
        return b64encode(cipher.crypt_ecb(json.dumps(content, ensure_ascii=False).encode())).decode()

    def decrypt(self, sealed: str) -> bytes:
        cipher = CryptSM4()
        cipher.set_key(self.sm4_key, SM4_DECRYPT)
        return cipher.crypt_ecb(b64decode(sealed))


def new_person(simulators: Simulators, **change: Any) -> dict[str, Any]:
    return simulators.control(BUREAU, "POST", "/persons", **{"name": "测试甲", **change})


def by_id_card(person: dict[str, Any]) -> dict[str, str]:
    return {"mdtrt_cert_type": "02", "mdtrt_cert_no": person["certno"]}


def _string_to_sign(message: dict[str, Any]) -> bytes:
    kept = {k: v for k, v in message.items() if k not in ("cainfo", "input", "output") and v}
    return "&".join(f"{k}={kept[k]}" for k in sorted(kept)).encode()


def _public_half(private: str) -> str:
    made = CryptSM2(private, "")
    point = made._kg(int(private, 16), made.ecc_table["g"])  # pyright: ignore[reportPrivateUsage] - it offers no other way to a public key
    assert point is not None
    return point

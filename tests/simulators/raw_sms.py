"""A client of the short message service written from the text of both its signature methods."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any
from urllib.parse import quote

import httpx

from app.kernel.clock import wall
from tests.simulators.conftest import Simulators

SMS = "sms"


def encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def canonical(given: dict[str, str]) -> str:
    return "&".join(f"{encoded(name)}={encoded(given[name])}" for name in sorted(given))


def rpc_signature(secret: str, method: str, given: dict[str, str]) -> str:
    text = "&".join((method, encoded("/"), encoded(canonical(given))))
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


class Client:
    def __init__(self, simulators: Simulators) -> None:
        self.http = simulators.http
        self.card = simulators.cards[SMS]
        self.address = f"http://{self.card['endpoint']}/"

    def signed(self, action: str, method: str = "POST", **given: str) -> dict[str, str]:
        """The parameters of a call; one that is given twice is changed before the signature."""
        params = {
            "Action": action,
            "Version": "2017-05-25",
            "Format": "JSON",
            "RegionId": "cn-hangzhou",
            "AccessKeyId": self.card["access_key_id"],
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": secrets.token_hex(16),
            "Timestamp": f"{wall():%Y-%m-%dT%H:%M:%SZ}",
            **given,
        }
        params["Signature"] = rpc_signature(self.card["access_key_secret"], method, params)
        return params

    def answer(self, action: str, **given: str) -> httpx.Response:
        return self.http.post(self.address, data=self.signed(action, **given))

    def call(self, action: str, **given: str) -> dict[str, Any]:
        answer = self.answer(action, **given)
        assert answer.status_code == 200, answer.text
        assert answer.json()["RequestId"]
        return answer.json()

    def send(self, number: str, **change: str) -> dict[str, Any]:
        asked = {
            "PhoneNumbers": number,
            "SignName": self.card["sign_name"],
            "TemplateCode": self.card["template_code_notice"],
            "TemplateParam": json.dumps({"name": "张先生", "item": "检验报告", "time": "已出"}),
            **change,
        }
        return self.call("SendSms", **asked)

    def send_code(self, number: str) -> str:
        words = json.dumps({"code": "123456"})
        template = self.card["template_code_verification"]
        return self.send(number, TemplateCode=template, TemplateParam=words)["Code"]

    def details(self, number: str, day: str, **more: str) -> list[dict[str, Any]]:
        asked = {"PhoneNumber": number, "SendDate": day, "PageSize": "10", "CurrentPage": "1", **more}
        told = self.call("QuerySendDetails", **asked)
        assert told["Code"] == "OK", told
        return told["SmsSendDetailDTOs"]["SmsSendDetailDTO"]

    def header_call(self, action: str, given: dict[str, str], *, body: bytes = b"") -> httpx.Response:
        """The newer method: the signature stands in the headers."""
        headers = {
            "host": self.card["endpoint"],
            "x-acs-action": action,
            "x-acs-version": "2017-05-25",
            "x-acs-date": f"{wall():%Y-%m-%dT%H:%M:%SZ}",
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        payload = headers["x-acs-content-sha256"]
        request = "\n".join(("POST", "/", canonical(given), lines, names, payload))
        text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
        sign = hmac.new(self.card["access_key_secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
        key = self.card["access_key_id"]
        headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={sign}"
        return self.http.post(f"{self.address}?{canonical(given)}", headers=headers, content=body)


def new_number() -> str:
    return f"138{secrets.randbelow(10**8):08d}"

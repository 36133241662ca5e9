"""WeChat Pay's keys over time: rotations, the switch to the public key, and the self-test of a merchant."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wechatpayv3
import wechatpayv3.async_
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from wechatpayv3.utils import aes_decrypt, rsa_encrypt

from simulators import keys
from simulators.wechat_pay import server
from tests.simulators.conftest import Merchant, Received, Simulators
from tests.simulators.raw_wechat_pay import WX, Raw, number, paid, query
from tests.simulators.test_wechat_pay_client import client_of, settings_of

HOUR = 3600.0
NAIVE = pytest.mark.filterwarnings("ignore:Properties that return a naïve datetime")  # wechatpayv3 reads one


@pytest.fixture
def raw(simulators: Simulators) -> Iterator[Raw]:
    """With the card as it is now; every rotation of a test is over when the next one begins."""
    reread(simulators)
    yield Raw(simulators)
    simulators.clock.forward(seconds=2 * HOUR)


def reread(simulators: Simulators) -> dict[str, str]:
    card = json.loads((simulators.folder / "wechat_pay.json").read_text())
    simulators.cards[WX] = card
    return card


def rotate(simulators: Simulators, **when: float) -> str:
    """The new certificate's serial number."""
    asked = {"overlap_seconds": HOUR, "signs_after_seconds": 600.0, **when}
    return simulators.control(WX, "POST", "/certificates/rotations", **asked)["id"]


def listed(raw: Raw) -> list[str]:
    return [one["serial_no"] for one in raw.call("GET", "/v3/certificates").json()["data"]]


def signed_by(answer: Any) -> str:
    return answer.headers["Wechatpay-Serial"]


def test_a_new_certificate_stands_beside_the_old_and_then_alone(simulators: Simulators, raw: Raw) -> None:
    old = raw.card["platform_certificate_serial"]
    assert listed(raw) == [old]
    new = rotate(simulators)
    assert listed(raw) == [old, new]
    assert reread(simulators)["platform_certificate_serial"] == new
    assert signed_by(query(raw, number())) == raw.card["platform_public_key_id"]
    assert signed_by(raw.call("GET", "/v3/certificates", serial=old)) == old
    simulators.clock.forward(seconds=601)
    assert signed_by(raw.call("GET", "/v3/certificates", serial=old)) == new
    again = simulators.control_answer(WX, "POST", "/certificates/rotations")
    assert again.json()["code"] == "ROTATION_UNDER_WAY"
    simulators.clock.forward(seconds=HOUR)
    assert listed(raw) == [new]
    refused = raw.call("GET", "/v3/certificates", serial=old)
    assert (refused.status_code, refused.json()["code"]) == (400, "PARAM_ERROR")


def test_what_is_downloaded_is_the_key_that_signs(simulators: Simulators, raw: Raw) -> None:
    new = rotate(simulators, signs_after_seconds=0.0)
    told = raw.call("GET", "/v3/certificates", serial=new)
    [sealed] = [one["encrypt_certificate"] for one in told.json()["data"] if one["serial_no"] == new]
    pem = aes_decrypt(sealed["nonce"], sealed["ciphertext"], sealed["associated_data"], raw.card["apiv3_key"])
    assert pem is not None
    assert is_signed(told, pem)
    assert not is_signed(told, Path(raw.card["platform_certificate_path"]).read_text())


def is_signed(answer: Any, pem: str) -> bool:
    key: Any = x509.load_pem_x509_certificate(pem.encode()).public_key()
    told = answer.headers
    message = f"{told['Wechatpay-Timestamp']}\n{told['Wechatpay-Nonce']}\n{answer.text}\n".encode()
    try:
        key.verify(keys.b64decode(told["Wechatpay-Signature"]), message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def ordered(client: Any, order_no: str) -> tuple[int, str]:
    return client.pay(
        description="挂号",
        out_trade_no=order_no,
        amount={"total": 100},
        pay_type=wechatpayv3.WeChatPayType.NATIVE,
    )


def bought(simulators: Simulators, client: Any) -> None:
    """An order of the client's, paid by scanning."""
    code_url = json.loads(ordered(client, number())[1])["code_url"]
    openid = simulators.control(WX, "POST", "/payers")["openid"]
    simulators.control(WX, "POST", f"/payers/{openid}/payments", code_url=code_url)


@NAIVE
def test_wechatpayv3_follows_a_certificate_s_rotation(
    simulators: Simulators, raw: Raw, merchant: Merchant, tmp_path: Path
) -> None:
    client = client_of(simulators, tmp_path, mode="certificate")
    bought(simulators, client)
    before = merchant.wait(1)[0]
    new = rotate(simulators)
    simulators.clock.forward(seconds=601)
    bought(simulators, client)
    after = merchant.wait(2)[1]
    assert after.headers["wechatpay-serial"] == new != before.headers["wechatpay-serial"]
    assert client.callback(after.headers, after.body)["event_type"] == "TRANSACTION.SUCCESS"
    simulators.clock.forward(seconds=HOUR)
    assert client.query(out_trade_no=number())[0] == 404


@NAIVE
def test_a_client_that_never_looks_again_is_left_behind(
    simulators: Simulators, raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(simulators, tmp_path, mode="certificate")
    assert client.query(out_trade_no=number())[0] == 404
    monkeypatch.setattr(client._core, "_update_certificates", lambda: None)
    rotate(simulators, signs_after_seconds=0.0)
    with pytest.raises(Exception, match="verify the signature"):
        ordered(client, number())


async def test_the_async_client_lives_through_a_new_public_key(simulators: Simulators, raw: Raw) -> None:
    old = async_client(simulators)
    fresh = simulators.control(WX, "POST", "/public-keys/rotations", overlap_seconds=HOUR)["id"]
    assert reread(simulators)["platform_public_key_id"] == fresh
    new = async_client(simulators)
    async with old, new:
        assert (await old.query(out_trade_no=number()))[0] == 404
        assert (await new.query(out_trade_no=number()))[0] == 404
        simulators.clock.forward(seconds=HOUR + 1)
        assert (await new.query(out_trade_no=number()))[0] == 404
        assert (await old.query(out_trade_no=number()))[0] == 400


def async_client(simulators: Simulators, **other: Any) -> Any:
    settings = settings_of(simulators, wechatpay_type=wechatpayv3.async_.WeChatPayType.NATIVE, **other)
    client = wechatpayv3.async_.AsyncWeChatPay(**settings)
    client._core._gate_way = simulators.cards[WX]["base_url"]  # pyright: ignore[reportPrivateUsage]
    return client


def test_a_notification_changes_its_key_between_two_deliveries(
    simulators: Simulators, raw: Raw, merchant: Merchant
) -> None:
    old = raw.card["platform_certificate_serial"]
    merchant.status = 500
    order = knowing(raw, old)
    paid(simulators, order)
    assert merchant.wait(1)[0].headers["wechatpay-serial"] == old
    new = rotate(simulators, signs_after_seconds=0.0)
    merchant.status = 204
    simulators.control(WX, "POST", "/notices/hurry")
    assert merchant.wait(2)[1].headers["wechatpay-serial"] == new


def knowing(raw: Raw, serial: str) -> Raw:
    """The same client, which knows the platform by this key."""
    raw.card = {**raw.card, "platform_public_key_id": serial}
    return raw


def test_each_order_is_told_with_the_key_its_client_knew(
    simulators: Simulators, raw: Raw, merchant: Merchant
) -> None:
    """The merchant moves to the public key while orders are open."""
    certificate, public = raw.card["platform_certificate_serial"], raw.card["platform_public_key_id"]
    paid(simulators, knowing(raw, certificate))
    paid(simulators, knowing(raw, public))
    told = [one.headers["wechatpay-serial"] for one in merchant.wait(2)]
    assert sorted(told) == sorted([certificate, public])


def test_an_old_seal_opens_as_long_as_its_key_is_good(simulators: Simulators, raw: Raw) -> None:
    old = Path(raw.card["platform_certificate_path"]).read_text()
    serial = raw.card["platform_certificate_serial"]
    rotate(simulators, signs_after_seconds=0.0)
    sealed = rsa_encrypt("患者", x509.load_pem_x509_certificate(old.encode()).public_key())
    echo = {"echo_message": "m", "encrypted_echo_message": sealed}
    assert raw.call("POST", "/v3/security/echo", echo, serial=serial).status_code == 200
    other = raw.call("POST", "/v3/security/echo", echo, serial=raw.card["platform_public_key_id"])
    assert other.json()["code"] == "PARAM_ERROR"
    simulators.clock.forward(seconds=HOUR + 1)
    assert raw.call("POST", "/v3/security/echo", echo, serial=serial).json()["code"] == "PARAM_ERROR"


def test_the_self_test_comes_back_and_is_notified(
    simulators: Simulators, raw: Raw, merchant: Merchant, tmp_path: Path
) -> None:
    asked = {"echo_message": "你好", "notify_url": merchant.url}
    assert raw.call("POST", "/v3/security/echo", asked).json() == {"echo_message": "你好"}
    simulators.control(WX, "POST", "/security-echoes", notify_url=merchant.url, echo_message="again")
    for received, message in zip(merchant.wait(2), ("你好", "again"), strict=True):
        client = client_of(simulators, tmp_path)
        told = client.callback(received.headers, received.body)
        assert told["event_type"] == "SECURITY_ECHO.SUCCESS"
        assert told["resource"]["echo_message"] == message
        assert client.decrypt(told["resource"]["encrypt_echo_message"]) == message
    nowhere = simulators.control_answer(
        WX, "POST", "/security-echoes", notify_url=merchant.url, serial="PUB_KEY_ID_1"
    )
    assert nowhere.json()["code"] == "NO_SUCH_KEY"


@NAIVE
@pytest.mark.sees(WX, "unknown_certificate")
def test_a_notification_under_an_unpublished_certificate_is_not_believed(
    simulators: Simulators, raw: Raw, merchant: Merchant, tmp_path: Path
) -> None:
    client = client_of(simulators, tmp_path, mode="certificate")
    merchant.status = 401
    simulators.control(WX, "POST", "/faults", name="unknown_certificate", endpoint="TRANSACTION.SUCCESS")
    bought(simulators, client)
    spoilt = merchant.wait(1)[0]
    assert not believes(client, spoilt)
    merchant.status = 204
    simulators.control(WX, "POST", "/notices/hurry")
    assert believes(client, merchant.wait(2)[1])


def believes(client: Any, received: Received) -> bool:
    return client.callback(received.headers, received.body) is not None


@pytest.mark.parametrize(("length", "status"), [(214, 200), (215, 400)])
def test_the_self_test_is_as_short_as_a_seal(
    simulators: Simulators, raw: Raw, merchant: Merchant, length: int, status: int
) -> None:
    asked = {"echo_message": "x" * length, "notify_url": merchant.url}
    assert raw.call("POST", "/v3/security/echo", asked).status_code == status
    sent = simulators.control_answer(WX, "POST", "/security-echoes", **asked)
    assert sent.status_code == (201 if status == 200 else 400)


@NAIVE
async def test_the_async_client_follows_a_certificate_s_rotation(simulators: Simulators, raw: Raw) -> None:
    client = async_client(simulators, public_key=None, public_key_id=None)
    async with client:
        for seconds in (0, 0, 601, HOUR):
            simulators.clock.forward(seconds=seconds)
            order = {"description": "挂号", "out_trade_no": number(), "amount": {"total": 1}}
            assert (await client.pay(**order))[0] == 200
            if seconds == 0 and len(listed(raw)) == 1:
                rotate(simulators)


@NAIVE
def test_who_never_looks_again_is_left_behind_at_the_end(
    simulators: Simulators, raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(simulators, tmp_path, mode="certificate")
    stale = client_of(simulators, tmp_path, mode="certificate")
    monkeypatch.setattr(stale._core, "_update_certificates", lambda: None)
    rotate(simulators, signs_after_seconds=HOUR)
    assert ordered(stale, number())[0] == 200
    simulators.clock.forward(seconds=HOUR + 1)
    assert ordered(client, number())[0] == 200
    with pytest.raises(Exception, match="verify the signature"):
        ordered(stale, number())


def test_a_folder_without_a_ring_opens(keys_folder: Path, tmp_path: Path) -> None:
    """As an older version left it."""

    async def no_clock() -> Any:
        raise AssertionError("nobody asks the time")

    shutil.copytree(keys_folder, tmp_path / "keys")
    first = server.opened(tmp_path, no_clock)
    card = first.card()
    first.store.close()
    (tmp_path / "keys" / "wechat_pay_key_ring.json").unlink()
    again = server.opened(tmp_path, no_clock)
    assert again.card() == card
    again.store.close()


def test_without_certificates_only_the_public_key_is_left(simulators: Simulators, raw: Raw) -> None:
    old = raw.card["platform_certificate_serial"]
    simulators.control(WX, "DELETE", "/certificates")
    assert raw.call("GET", "/v3/certificates").json()["code"] == "RESOURCE_NOT_EXISTS"
    assert raw.call("GET", "/v3/certificates", serial=old).json()["code"] == "PARAM_ERROR"
    assert "platform_certificate_path" not in reread(simulators)
    over = simulators.control_answer(WX, "POST", "/certificates/rotations")
    assert over.json()["code"] == "CERTIFICATES_GIVEN_UP"


async def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    async def no_clock() -> Any:
        raise AssertionError("the time is handed in")

    first = server.opened(tmp_path, no_clock)
    now = keys.wall()
    fresh = first.ring.rotate_certificate(now, signs_after=keys.timedelta(0), overlap=keys.timedelta(days=1))
    first.store.close()
    second = server.opened(tmp_path, no_clock)
    assert second.ring.certificate_serial(now) == fresh.id
    assert second.card() == first.card()
    second.store.close()

"""Whatever comes as a proof is read or refused cleanly; the examples of the RFC are understood."""

import base64
import json
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeyFlexible, OctKey, RSAKey

from app.identity import proofs
from app.identity.dpop import (
    PROOF_SECONDS,
    Proof,
    ProofInvalid,
    ProofStale,
    digest,
    read_proof,
    require_fit,
)
from app.kernel import clock
from app.kernel.settings import settings as process_settings
from tests.make import identity as make
from tests.make.proofs import DeviceKey

# RFC 9449, figures 2 and 12.
RFC_TOKEN_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpD"
    "a0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6"
    "IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUu"
    "Y29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-"
    "FNyJK70nfbV37xRZT3Lg"
)
RFC_READ_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpD"
    "a0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6"
    "IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxl"
    "Lm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1O"
    "UlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
RFC_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
RFC_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"

NOW = 1_800_000_000
URL = "https://hospital.test/oauth/device"
KEY = DeviceKey.new()
CLAIMS: dict[str, Any] = {"htm": "POST", "htu": URL, "iat": NOW, "jti": "j" * 22, "bh": digest(b"{}")}
HEADER: dict[str, Any] = {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.public}


def signed(header: dict[str, Any], claims: dict[str, Any], key: KeyFlexible = KEY.key) -> str:
    return jwt.encode(header, claims, key, algorithms=["ES256", "HS256", "RS256", "ES384"])


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_header(**changed: object) -> str:
    """The header as it says, over a signature that was made for it where that is possible."""
    header = {name: told for name, told in (HEADER | changed).items() if told is not None}
    _, body, _ = signed(HEADER, CLAIMS).split(".")
    text = f"{packed(header)}.{body}"
    signature = KEY.key.get_op_key("sign")
    r, s = utils.decode_dss_signature(signature.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{text}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def test_the_examples_of_the_rfc_are_understood() -> None:
    thumbprint, proof = read_proof(RFC_TOKEN_PROOF, now=1562262616)
    assert (thumbprint, proof.htm, proof.htu) == (RFC_THUMBPRINT, "POST", "https://server.example.com/token")
    _, proof = read_proof(RFC_READ_PROOF, now=1562262618)
    require_fit(
        proof,
        method="GET",
        origins={"https://resource.example.org"},
        path="/protectedresource",
        token=RFC_TOKEN,
        body=None,
    )


def test_our_own_way_of_signing_stands_the_same_check() -> None:
    assert read_proof(with_header(), now=NOW)[0] == KEY.thumbprint


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"typ": "JWT"}, id="another type"),
        pytest.param({"typ": None}, id="no type"),
        pytest.param({"alg": "none"}, id="alg none"),
        pytest.param({"alg": "HS256"}, id="symmetric alg"),
        pytest.param({"alg": "ES384"}, id="another alg"),
        pytest.param({"jwk": None}, id="no key"),
        pytest.param({"jwk": {**KEY.public, "d": "A" * 43}}, id="private key"),
        pytest.param({"jwk": {"kty": "oct", "k": "AAAA"}}, id="symmetric key"),
        pytest.param({"jwk": {**KEY.public, "crv": "P-384"}}, id="another curve"),
        pytest.param({"jwk": {**KEY.public, "x": "A" * 43}}, id="point off the curve"),
        pytest.param({"jwk": {**KEY.public, "x": KEY.public["x"] + "A"}}, id="long coordinate"),
        pytest.param({"jwk": {**KEY.public, "x": KEY.public["x"][:-1] + "\n"}}, id="line break"),
        pytest.param({"jwk": DeviceKey.new().public}, id="somebody else's key"),
        pytest.param({"jwk": "https://evil.test/jwk"}, id="key by address"),
        pytest.param({"jku": "https://evil.test/jwks"}, id="key set by address"),
        pytest.param({"x5c": ["AAAA"]}, id="certificate"),
        pytest.param({"crit": ["exp"]}, id="critical extension"),
        pytest.param({"b64": False}, id="unencoded payload"),
    ],
)
def test_a_header_of_another_make_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ProofInvalid):
        read_proof(with_header(**changed), now=NOW)


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(
            signed({**HEADER, "alg": "HS256"}, CLAIMS, OctKey.import_key(packed(KEY.public))),
            id="HS256 with the public key as secret",
        ),
        pytest.param(
            signed(
                {**HEADER, "alg": "RS256", "jwk": RSAKey.generate_key(2048).as_dict(private=False)},
                CLAIMS,
                RSAKey.generate_key(2048),
            ),
            id="RSA",
        ),
        pytest.param(signed(HEADER, CLAIMS, ECKey.generate_key("P-256")), id="signed by another key"),
        pytest.param(signed(HEADER, CLAIMS).rpartition(".")[0] + ".", id="no signature"),
        pytest.param(f"{packed({**HEADER, 'alg': 'none'})}.{packed(CLAIMS)}.", id="none and no signature"),
        pytest.param(signed(HEADER, CLAIMS | {"pad": "x" * 3000}), id="huge"),
        pytest.param("", id="empty"),
        pytest.param("..", id="dots"),
        pytest.param("a.b.c.d.e", id="encrypted form"),
    ],
)
def test_what_was_not_signed_by_the_key_it_shows_is_refused(proof: str) -> None:
    with pytest.raises(ProofInvalid):
        read_proof(proof, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"jti": "short"}, id="guessable jti"),
        pytest.param({"jti": "j" * 65}, id="long jti"),
        pytest.param({"jti": 7}, id="jti of another type"),
        pytest.param({"iat": None}, id="no time"),
        pytest.param({"iat": "now"}, id="time in words"),
        pytest.param({"iat": 1e300}, id="fractional time"),
        pytest.param({"htm": None}, id="no method"),
        pytest.param({"htu": None}, id="no address"),
    ],
)
def test_a_claim_of_another_form_is_refused(changed: dict[str, object]) -> None:
    claims = {name: told for name, told in (CLAIMS | changed).items() if told is not None}
    with pytest.raises(ProofInvalid):
        read_proof(signed(HEADER, claims), now=NOW)


@pytest.mark.parametrize("age", [-PROOF_SECONDS - 1, PROOF_SECONDS + 1, 10**15, -(10**15)])
def test_a_proof_of_another_time_is_stale(age: int) -> None:
    with pytest.raises(ProofStale) as refusal:
        read_proof(signed(HEADER, CLAIMS | {"iat": NOW - age}), now=NOW)
    assert refusal.value.ids == {"server_time": str(NOW)}


FITTING: dict[str, Any] = {
    "method": "POST",
    "origins": {"https://hospital.test"},
    "path": "/oauth/device",
    "token": "",
    "body": b"{}",
}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"method": "PUT"}, {}, id="another method"),
        pytest.param({"path": "/oauth/device/enrol"}, {}, id="another path"),
        pytest.param({"origins": {"https://other.test"}}, {}, id="another host"),
        pytest.param({"origins": {"http://hospital.test"}}, {}, id="another scheme"),
        pytest.param({"token": "t"}, {}, id="no hash of the token"),
        pytest.param({}, {"ath": digest(b"t")}, id="a token that is not shown"),
        pytest.param({"body": b""}, {}, id="another body"),
        pytest.param({}, {"bh": ""}, id="no hash of the body"),
        pytest.param({}, {"htu": URL + "?a=1"}, id="a query"),
        pytest.param({}, {"htu": URL + "#a"}, id="a fragment"),
        pytest.param({}, {"htu": "https://user@hospital.test/oauth/device"}, id="a user"),
        pytest.param({}, {"htu": "/oauth/device"}, id="no host"),
        pytest.param({}, {"htu": "https://[bad/oauth/device"}, id="no address"),
        pytest.param({}, {"ath": "ü"}, id="not ASCII"),
    ],
)
def test_a_proof_for_another_request_is_refused(asked: dict[str, Any], said: dict[str, Any]) -> None:
    require_fit(Proof(**CLAIMS), **FITTING)
    with pytest.raises(ProofInvalid):
        require_fit(Proof(**(CLAIMS | said)), **(FITTING | asked))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MUTATED = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")),
    st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "kid", "crit"]), ANYTHING).map(
        lambda changed: with_header(**changed)
    ),
    st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "d", "k", "n"]), ANYTHING).map(
        lambda changed: with_header(jwk={**KEY.public, **changed})
    ),
    st.dictionaries(st.sampled_from(["htm", "htu", "iat", "jti", "ath", "bh"]), ANYTHING, min_size=1).map(
        lambda changed: f"{packed(HEADER)}.{packed({**CLAIMS, **changed})}.{'A' * 86}"
    ),
    st.tuples(st.integers(0, 500), st.characters(codec="latin-1")).map(
        lambda at: (proof := with_header())[: at[0]] + at[1] + proof[at[0] + 1 :]
    ),
)


@given(text=MUTATED)
@settings(max_examples=400, deadline=None)
def test_nothing_but_a_proof_is_read_and_nothing_breaks(text: str) -> None:
    try:
        thumbprint, _ = read_proof(text, now=NOW)
    except (ProofInvalid, ProofStale):
        return
    assert thumbprint == KEY.thumbprint, "only what the key itself has signed"


@given(text=MUTATED)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_fuzzed_proof_is_a_401_over_http(client: httpx.AsyncClient, text: str) -> None:
    body = {"device_id": "00000000-0000-7000-8000-000000000000"}
    headers = {b"DPoP": text.encode("utf-8", "surrogatepass").replace(b"\n", b"").replace(b"\r", b"")}
    reply = await client.post("/oauth/device", json=body, headers=headers)
    assert reply.status_code == 401, reply.text
    assert reply.json()["code"] in {"proof_invalid", "proof_stale"}


@pytest.mark.parametrize("htu", ["/oauth/device", "http:///oauth/device", "http://evil.test/oauth/device"])
async def test_a_proof_names_the_place_that_it_was_sent_to(client: httpx.AsyncClient, htu: str) -> None:
    body = b'{"device_id": "00000000-0000-7000-8000-000000000000"}'
    claims = {**CLAIMS, "htu": htu, "iat": int(clock.wall().timestamp()), "bh": digest(body)}
    reply = await client.post("/oauth/device", content=body, headers={"DPoP": signed(HEADER, claims)})
    assert (reply.status_code, reply.json()["code"]) == (401, "proof_invalid")
    right = signed(HEADER, {**claims, "htu": "http://hospital.test/oauth/device"})
    reply = await client.post("/oauth/device", content=body, headers={"DPoP": right})
    assert reply.json()["code"] == "device_refused", "the control"


async def test_the_public_address_counts_as_ours(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = msgspec.structs.replace(process_settings(), public_url="https://his.test")
    monkeypatch.setattr(proofs, "settings", lambda: ours)
    body = b'{"device_id": "00000000-0000-7000-8000-000000000000"}'
    claims = {**CLAIMS, "htu": "https://his.test/oauth/device", "bh": digest(body)}
    claims["iat"] = int(clock.wall().timestamp())
    reply = await client.post("/oauth/device", content=body, headers={"DPoP": signed(HEADER, claims)})
    assert reply.json()["code"] == "device_refused", "the proof was good"


async def test_two_proofs_are_none(client: httpx.AsyncClient) -> None:
    device_id, key = await make.device()
    url = "http://hospital.test/oauth/device"
    body = json.dumps({"device_id": str(device_id)}).encode()
    headers = [("DPoP", key.proof("POST", url, body=body)) for _ in range(2)]
    reply = await client.post(url, content=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (401, "proof_invalid")


def test_the_memory_of_reads_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = proofs._reads  # pyright: ignore[reportPrivateUsage] - what is bounded
    monkeypatch.setattr(proofs, "READS_REMEMBERED_MAX", 3)
    seen.clear()
    for n in range(5):
        assert proofs._remember_read(("k", str(n)))  # pyright: ignore[reportPrivateUsage]
    assert [jti for _, jti in seen] == ["2", "3", "4"]
    seen.clear()

"""The own login of every staff member: log in, prove it again, enrol a factor, change the password."""

from io import BytesIO
from typing import Annotated
from uuid import UUID

import msgspec
import qrcode
from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from qrcode.image.svg import SvgPathImage

from app.identity.authenticator import confirm_enrolment, renew_recovery_codes, start_enrolment
from app.identity.own_password import change_password
from app.identity.passwords import log_in_staff
from app.identity.roles import FactorKind, KeyAlgorithm
from app.identity.second_factor import Proof
from app.identity.sessions import AccessToken
from app.identity.signed_in import signed_in
from app.identity.step_up import require_proved_to_replace, step_up
from app.identity.ukey import CHALLENGE_SECONDS, new_challenge, register_key
from app.kernel.actor import Actor
from app.kernel.http import AnyRequest
from app.kernel.idempotency import Command, once

Text = Annotated[str, msgspec.Meta(max_length=1024)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class KeyAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    challenge: Text
    signature: Text


class Proofs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most one of them is looked at: the code, else the key, else the recovery code."""

    otp: Text | None = None
    ukey: KeyAnswer | None = None
    recovery_code: Text | None = None

    def proof(self) -> Proof | None:
        if self.otp is not None:
            return Proof(kind=FactorKind.TOTP, answer=self.otp)
        if self.ukey is not None:
            return Proof(kind=FactorKind.UKEY, answer=self.ukey.signature, challenge=self.ukey.challenge)
        if self.recovery_code is not None:
            return Proof(kind=FactorKind.RECOVERY, answer=self.recovery_code)
        return None


class StaffLoginForm(Proofs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    login_name: str
    password: str
    code_challenge: str


class StepUpForm(Proofs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password: str | None = None


class ChangePassword(Proofs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    old_password: str
    new_password: str


class FirstCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    otp: str


class RegisterKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    algorithm: KeyAlgorithm
    public_key: Text
    label: Label
    challenge: Text
    signature: Text


class CodeReply(msgspec.Struct, frozen=True):
    """What /oauth/token wants together with the verifier."""

    code: str


class ChallengeReply(msgspec.Struct, frozen=True):
    challenge: str
    expires_in: int


class EnrolmentReply(msgspec.Struct, frozen=True, kw_only=True):
    seed: str
    uri: str
    qr_svg: str


class RecoveryCodesReply(msgspec.Struct, frozen=True):
    recovery_codes: list[str]


class KeyReply(msgspec.Struct, frozen=True):
    key_id: UUID


class Changed(msgspec.Struct, frozen=True):
    log_in_again: bool = True


@post("/login", status_code=200, permission="public")
async def staff_login(data: JSONBody[StaffLoginForm]) -> CodeReply:
    """The password, and the second factor where one is enrolled: `second_factor_required` asks for it."""
    code = await log_in_staff(
        login_name=data.login_name,
        password=data.password,
        challenge=data.code_challenge,
        proof=data.proof(),
    )
    return CodeReply(code)


@post("/login/challenges", status_code=200, permission="public", sync_to_thread=False)
def login_challenge() -> ChallengeReply:
    """What a UKey signs, for a login, a step-up or its own registration; answered once."""
    return ChallengeReply(new_challenge(), CHALLENGE_SECONDS)


@post("/step-up", status_code=200, permission="session.step_up")
async def prove_again(actor: NamedDependency[Actor], data: JSONBody[StepUpForm]) -> AccessToken:
    """A token whose `auth_time` is now. Repeating it proves again, so it needs no key."""
    return await step_up(actor, password=data.password, proof=data.proof())


@post("/password", status_code=200, permission="password.change")
async def change_own(actor: NamedDependency[Actor], data: JSONBody[ChangePassword]) -> Changed:
    """A repetition fails, because the old password is no longer right: so it needs no key."""
    await change_password(actor, old=data.old_password, new=data.new_password, proof=data.proof())
    return Changed()


@post("/second-factor/totp", status_code=200, permission="second_factor.enrol")
async def enrol(request: AnyRequest, actor: NamedDependency[Actor]) -> EnrolmentReply:
    """A seed for the authenticator app, told once. A repetition tells a new one, so it needs no key."""
    await require_proved_to_replace(await signed_in(request))
    made = await start_enrolment(actor)
    return EnrolmentReply(seed=made.seed, uri=made.uri, qr_svg=_drawn(made.uri))


@post("/second-factor/totp/confirm", status_code=200, permission="second_factor.enrol")
async def confirm(actor: NamedDependency[Actor], data: JSONBody[FirstCode]) -> RecoveryCodesReply:
    """The enrolment counts from here on, and every session ends. Without its reply: renew the codes."""
    return RecoveryCodesReply(await confirm_enrolment(actor, code=data.otp))


@post("/second-factor/recovery-codes", status_code=200, permission="second_factor.renew_codes")
async def renew_codes(actor: NamedDependency[Actor]) -> RecoveryCodesReply:
    return RecoveryCodesReply(await renew_recovery_codes(actor))


@post("/second-factor/keys", permission="second_factor.enrol")
async def register(
    request: AnyRequest,
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
    data: JSONBody[RegisterKey],
) -> KeyReply:
    """A UKey's public key with its first signature. Every session ends."""
    await require_proved_to_replace(await signed_in(request))
    key_id = await once(
        asked,
        register_key,
        actor,
        algorithm=data.algorithm,
        public_key=data.public_key,
        label=data.label,
        challenge=data.challenge,
        signature=data.signature,
    )
    return KeyReply(key_id)


def _drawn(text: str) -> str:
    out = BytesIO()
    qrcode.make(text, image_factory=SvgPathImage, box_size=10, border=4).save(out)
    return out.getvalue().decode()


router = Router(
    path="/api/staff/v1",
    route_handlers=[
        staff_login,
        login_challenge,
        prove_again,
        change_own,
        enrol,
        confirm,
        renew_codes,
        register,
    ],
    tags=["login"],
)

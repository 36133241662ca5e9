"""Who can log in, with what, and which logins are alive. Names and faces live in the contexts above."""

from enum import StrEnum

from piccolo.columns import UUID, BigInt, ForeignKey, Integer, Text, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.identity.roles import ClientKind, DeviceKind, KeyAlgorithm, PlaceKind, Platform, StaffRole
from app.kernel.actor import ActorKind
from app.kernel.flow import Flow


class Account(Table, tablename="account"):
    """A person's login on a phone. Whom it may act for is a matter of bindings, in patients."""

    id = UUID(primary_key=True)
    auth_version = Integer(default=1)
    created_at = Timestamptz(default=TimestamptzNow())
    disabled_at = Timestamptz(null=True, default=None)


class AccountLogin(Table, tablename="account_login"):
    """One platform's subject (openid, user id) that stands for an account."""

    id = UUID(primary_key=True)
    account_id = ForeignKey(references=Account, index=True)
    platform = Varchar(length=8, choices=Platform)
    subject = Text()  # encrypted: the gateways want it back when the account pays
    subject_index = Varchar(length=80)
    created_at = Timestamptz(default=TimestamptzNow())

    account_login_once = Unique(["platform", "subject_index"])


class StaffLogin(Table, tablename="staff_login"):
    """A staff member's password and role. `staff_id` is organization's row, one floor up."""

    staff_id = UUID(primary_key=True)
    login_name = Varchar(length=60, unique=True)
    password_hash = Varchar(length=200)
    role = Varchar(length=16, choices=StaffRole)
    auth_version = Integer(default=1)
    failures = Integer(default=0)
    locked_until = Timestamptz(null=True, default=None)  # wall time, like everything about secrets
    one_time_until = Timestamptz(null=True, default=None)  # the password was told by somebody: to be changed
    disabled_at = Timestamptz(null=True, default=None)


class TotpSeed(Table, tablename="totp_seed"):
    """The secret that a staff member's authenticator app shares with us, both encrypted."""

    staff_id = ForeignKey(references=StaffLogin, primary_key=True)
    seed = Text(null=True, default=None)  # none yet while the first enrolment waits for its code
    last_step = BigInt(default=0)  # of the newest code that was used: older ones are worth nothing
    enrolled_at = Timestamptz(null=True, default=None)
    pending_seed = Text(null=True, default=None)
    pending_until = Timestamptz(null=True, default=None)

    totp_seed_pending_ends = Check("(pending_seed IS NULL) = (pending_until IS NULL)")
    totp_seed_enrolment_told = Check("(seed IS NULL) = (enrolled_at IS NULL)")


class RecoveryCode(Table, tablename="recovery_code"):
    """For the day on which the phone is lost: each once."""

    id = UUID(primary_key=True)
    staff_id = ForeignKey(references=StaffLogin, index=True)
    code_hash = Varchar(length=64, unique=True)  # SHA-256 of 80 random bits and whose they are
    used_at = Timestamptz(null=True, default=None)


class SigningKey(Table, tablename="signing_key"):
    """The public half of a key that never leaves its UKey."""

    id = UUID(primary_key=True)
    staff_id = ForeignKey(references=StaffLogin, index=True)
    algorithm = Varchar(length=8, choices=KeyAlgorithm)
    public_key = Varchar(length=87)  # the uncompressed point, base64url
    label = Varchar(length=60)
    registered_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)


class UsedChallenge(Table, tablename="used_challenge"):
    """A challenge that was answered. It is remembered as long as it could be sent again."""

    nonce = Varchar(length=43, primary_key=True)
    expires_at = Timestamptz(index=True)


class LoginRequestKind(StrEnum):
    ROLE = "role"
    PASSWORD = "password"  # noqa: S105 - what is asked for, not a secret
    SECOND_FACTOR = "second_factor"


class LoginRequestStatus(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    DECLINED = "declined"


class LoginRequest(Table, tablename="login_request"):
    """What one security administrator asks for and another one decides (四眼)."""

    id = UUID(primary_key=True)
    staff_id = ForeignKey(references=StaffLogin, index=True)
    kind = Varchar(length=16, choices=LoginRequestKind)
    role = Varchar(length=16, choices=StaffRole, null=True, default=None)
    status = Varchar(length=12, choices=LoginRequestStatus, default=LoginRequestStatus.REQUESTED)
    requested_by = UUID()
    requested_at = Timestamptz()
    expires_at = Timestamptz()
    decided_by = UUID(null=True, default=None)
    decided_at = Timestamptz(null=True, default=None)

    login_request_role_named = Check("(kind = 'role') = (role IS NOT NULL)")
    login_request_not_for_oneself = Check("requested_by <> staff_id")
    login_request_four_eyes = Check(
        "decided_by IS NULL OR status = 'declined' OR decided_by NOT IN (requested_by, staff_id)"
    )
    login_request_decision_told = Check("(status = 'requested') = (decided_by IS NULL)")


LOGIN_REQUEST_FLOW = Flow(
    LoginRequest.status,
    {
        LoginRequestStatus.REQUESTED: {LoginRequestStatus.APPROVED, LoginRequestStatus.DECLINED},
        LoginRequestStatus.APPROVED: set(),
        LoginRequestStatus.DECLINED: set(),
    },
)


class Device(Table, tablename="device"):
    """A terminal or a display. It stands in one place and proves its key."""

    id = UUID(primary_key=True)
    kind = Varchar(length=16, choices=DeviceKind)
    label = Varchar(length=60)
    place_kind = Varchar(length=16, choices=PlaceKind)
    place_id = UUID()
    place_name = Varchar(length=60)
    key_thumbprint = Varchar(length=43, unique=True)  # RFC 7638; the key itself never leaves the device
    auth_version = Integer(default=1)
    enrolled_at = Timestamptz(default=TimestamptzNow())
    disabled_at = Timestamptz(null=True, default=None)


class DeviceEnrolment(Table, tablename="device_enrolment"):
    """A one-time code that lets one device in, for one place. The row stays: who let it in, and when."""

    id = UUID(primary_key=True)
    code_index = Varchar(length=80, unique=True)  # blind index: a stolen dump gives no time to search in
    kind = Varchar(length=16, choices=DeviceKind)
    label = Varchar(length=60)
    place_kind = Varchar(length=16, choices=PlaceKind)
    place_id = UUID()
    place_name = Varchar(length=60)
    offered_by = UUID()  # organization's staff member, one floor up
    offered_at = Timestamptz(default=TimestamptzNow())
    expires_at = Timestamptz()
    used_at = Timestamptz(null=True, default=None)
    device_id = UUID(null=True, default=None)


class EnrolmentTry(Table, tablename="enrolment_try"):
    """A code that was wrong: what guessing is slowed down by."""

    id = UUID(primary_key=True)
    address = Varchar(length=45)
    at = Timestamptz(index=True)


class ProofNonce(Table, tablename="proof_nonce"):
    """A device's write that was let in, until its proof is stale: it is not let in again."""

    id = UUID(primary_key=True)
    key_thumbprint = Varchar(length=43)
    jti = Varchar(length=64)
    expires_at = Timestamptz(index=True)

    proof_nonce_once = Unique(["key_thumbprint", "jti"])


class LoginSession(Table, tablename="login_session"):
    """One login. Its tokens die with it, at once."""

    id = UUID(primary_key=True)
    actor_kind = Varchar(length=12, choices=ActorKind)
    actor_id = UUID(index=True)
    channel = Varchar(length=40)
    role = Varchar(length=16, default="")  # staff role or device kind
    auth_version = Integer()
    started_at = Timestamptz(default=TimestamptzNow())
    expires_at = Timestamptz()
    revoked_at = Timestamptz(null=True, default=None)
    client_id = Varchar(length=60, default="")  # the OAuth client that holds it
    scope = Varchar(length=400, default="")
    auth_time = Timestamptz(default=TimestamptzNow())  # when the person last proved who they are
    amr = Varchar(length=60, default="")  # how: RFC 8176 words, "pwd otp"
    key_thumbprint = Varchar(length=43, default="")  # RFC 7638: the key whose proofs its tokens need


class AuthCode(Table, tablename="auth_code"):
    """An authorization code on its way from a login to /oauth/token: once, within a minute."""

    code_hash = Varchar(length=64, primary_key=True)
    actor_kind = Varchar(length=12, choices=ActorKind)
    actor_id = UUID()
    channel = Varchar(length=40)
    role = Varchar(length=16, default="")
    auth_version = Integer()
    client_id = Varchar(length=60, default="")
    scope = Varchar(length=400, default="")
    auth_time = Timestamptz(default=TimestamptzNow())
    amr = Varchar(length=60, default="")
    challenge = Varchar(length=43)
    redirect_uri = Varchar(length=400, default="")  # empty: a login on our own pages, answered in place
    expires_at = Timestamptz(index=True)
    used_at = Timestamptz(null=True, default=None)
    session_id = UUID(null=True, default=None)  # revoked when the code is tried twice


class RefreshToken(Table, tablename="refresh_token"):
    """One link of a session's chain of refresh tokens. A used one that comes again ends the session."""

    token_hash = Varchar(length=64, primary_key=True)
    session_id = ForeignKey(references=LoginSession, index=True)
    issued_at = Timestamptz(default=TimestamptzNow())
    used_at = Timestamptz(null=True, default=None)


class OAuthClient(Table, tablename="oauth_client"):
    """A program that may ask for tokens. A public one cannot keep a secret; a confidential one signs."""

    id = UUID(primary_key=True)  # the subject of its own tokens
    client_id = Varchar(length=60, unique=True)
    name = Varchar(length=80)
    kind = Varchar(length=12, choices=ClientKind)
    grants = Varchar(length=80, default="")  # words of GrantType
    redirect_uris = Text(default="")  # between spaces; "/path" is under our own address
    scopes = Varchar(length=400, default="")
    jwks = Text(default="")  # JSON, public keys only
    auth_version = Integer(default=1)
    created_at = Timestamptz(default=TimestamptzNow())
    disabled_at = Timestamptz(null=True, default=None)


class ClientAssertion(Table, tablename="client_assertion"):
    """The id of an assertion that a client has signed and used: it is not taken twice."""

    jti_hash = Varchar(length=64, primary_key=True)  # of client id and jti
    expires_at = Timestamptz(index=True)


class PushedRequest(Table, tablename="pushed_request"):
    """An authorization request that its client pushed (RFC 9126) and that waits for somebody to log in."""

    uri_hash = Varchar(length=64, primary_key=True)
    client_id = Varchar(length=60)
    redirect_uri = Varchar(length=400)
    scope = Varchar(length=400)
    state = Varchar(length=512, default="")
    challenge = Varchar(length=43)
    expires_at = Timestamptz(index=True)
    used_at = Timestamptz(null=True, default=None)


TABLES: list[type[Table]] = [
    Account,
    AccountLogin,
    StaffLogin,
    TotpSeed,
    RecoveryCode,
    SigningKey,
    UsedChallenge,
    LoginRequest,
    Device,
    DeviceEnrolment,
    EnrolmentTry,
    ProofNonce,
    LoginSession,
    AuthCode,
    RefreshToken,
    OAuthClient,
    ClientAssertion,
    PushedRequest,
]

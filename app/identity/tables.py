"""Who can log in, with what, and which logins are alive. Names and faces live in the contexts above."""

from piccolo.columns import UUID, ForeignKey, Integer, Text, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Unique
from piccolo.table import Table

from app.identity.roles import DeviceKind, PlaceKind, Platform, StaffRole
from app.kernel.actor import ActorKind


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
    disabled_at = Timestamptz(null=True, default=None)


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
    expires_at = Timestamptz(index=True)
    used_at = Timestamptz(null=True, default=None)
    session_id = UUID(null=True, default=None)  # revoked when the code is tried twice


TABLES: list[type[Table]] = [
    Account,
    AccountLogin,
    StaffLogin,
    Device,
    DeviceEnrolment,
    EnrolmentTry,
    ProofNonce,
    LoginSession,
    AuthCode,
]

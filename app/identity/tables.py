"""Who can log in, with what, and which logins are alive. Names and faces live in the contexts above."""

from piccolo.columns import UUID, ForeignKey, Integer, Text, Timestamptz, Varchar
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.constraints import Unique
from piccolo.table import Table

from app.identity.roles import ClientKind, DeviceKind, Platform, StaffRole
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
    place_kind = Varchar(length=16)  # zone | room | ward | bed | window | campus
    place_id = UUID()
    place_name = Varchar(length=60)
    key_hash = Varchar(length=64)  # SHA-256 of 256 random bits: nothing to stretch
    auth_version = Integer(default=1)
    disabled_at = Timestamptz(null=True, default=None)


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
    Device,
    LoginSession,
    AuthCode,
    RefreshToken,
    OAuthClient,
    ClientAssertion,
    PushedRequest,
]

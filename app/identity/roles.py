"""The words for who somebody can be."""

from enum import StrEnum


class StaffRole(StrEnum):
    DOCTOR = "doctor"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    TECHNICIAN = "technician"
    CASHIER = "cashier"
    REGISTRAR = "registrar"
    SYSTEM_ADMIN = "system_admin"  # 系统管理员: devices, places, imports, the clock
    SECURITY_ADMIN = "security_admin"  # 安全管理员: logins, roles, policies, clients
    AUDIT_ADMIN = "audit_admin"  # 审计管理员: reads the access log


# GB/T 22239-2019, 8.1.4: the three are separate people. A login has one role, so it never has two of them.
ADMIN_ROLES = frozenset({StaffRole.SYSTEM_ADMIN, StaffRole.SECURITY_ADMIN, StaffRole.AUDIT_ADMIN})

# Who must prove a second factor. Without one enrolled, such a login may do nothing but enrol it, so that
# nobody is locked out on the first day; with one enrolled, every login needs it, whatever stands here.
SECOND_FACTOR = {
    StaffRole.DOCTOR: True,
    StaffRole.NURSE: True,
    StaffRole.PHARMACIST: True,
    StaffRole.TECHNICIAN: True,
    StaffRole.CASHIER: True,
    StaffRole.REGISTRAR: True,
    StaffRole.SYSTEM_ADMIN: True,
    StaffRole.SECURITY_ADMIN: True,
    StaffRole.AUDIT_ADMIN: True,
}


class FactorKind(StrEnum):
    """What somebody can prove to hold, beside knowing a password."""

    TOTP = "totp"
    RECOVERY = "recovery"
    UKEY = "ukey"


class KeyAlgorithm(StrEnum):
    ES256 = "ES256"  # ECDSA on P-256 with SHA-256
    SM2 = "SM2"  # with SM3, GB/T 32918.2


class DeviceKind(StrEnum):
    KIOSK = "kiosk"
    HALL_DISPLAY = "hall_display"
    BEDSIDE = "bedside"
    NURSE_STATION = "nurse_station"
    WINDOW_DISPLAY = "window_display"


class PlaceKind(StrEnum):
    """Where a device can stand."""

    ZONE = "zone"
    WARD = "ward"
    BED = "bed"
    WINDOW = "window"


class Platform(StrEnum):
    WECHAT = "wechat"
    ALIPAY = "alipay"


class ClientKind(StrEnum):
    PUBLIC = "public"  # runs where others can read it: a page, a phone
    CONFIDENTIAL = "confidential"  # runs on a server and signs with its own key


class GrantType(StrEnum):
    """What a client can turn into tokens. There is no password, implicit or device grant."""

    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the OAuth word, not a secret
    CLIENT_CREDENTIALS = "client_credentials"


class Role(StrEnum):
    """Everybody whom the policy knows: staff roles, device kinds, an account's owner, a partner's system."""

    DOCTOR = "doctor"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    TECHNICIAN = "technician"
    CASHIER = "cashier"
    REGISTRAR = "registrar"
    SYSTEM_ADMIN = "system_admin"
    SECURITY_ADMIN = "security_admin"
    AUDIT_ADMIN = "audit_admin"
    KIOSK = "kiosk"
    HALL_DISPLAY = "hall_display"
    BEDSIDE = "bedside"
    NURSE_STATION = "nurse_station"
    WINDOW_DISPLAY = "window_display"
    ACCOUNT = "account"
    PARTNER = "partner"

"""The words for who somebody can be."""

from enum import StrEnum


class StaffRole(StrEnum):
    DOCTOR = "doctor"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    TECHNICIAN = "technician"
    CASHIER = "cashier"
    REGISTRAR = "registrar"
    ADMIN = "admin"


class DeviceKind(StrEnum):
    KIOSK = "kiosk"
    HALL_DISPLAY = "hall_display"
    BEDSIDE = "bedside"
    NURSE_STATION = "nurse_station"
    WINDOW_DISPLAY = "window_display"


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

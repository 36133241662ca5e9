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
    SECURITY_ADMIN = "security_admin"
    AUDIT_ADMIN = "audit_admin"


class DeviceKind(StrEnum):
    KIOSK = "kiosk"
    HALL_DISPLAY = "hall_display"
    BEDSIDE = "bedside"
    NURSE_STATION = "nurse_station"
    WINDOW_DISPLAY = "window_display"


class Platform(StrEnum):
    WECHAT = "wechat"
    ALIPAY = "alipay"

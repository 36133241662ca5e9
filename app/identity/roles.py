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


class PlaceKind(StrEnum):
    """Where a device can stand."""

    ZONE = "zone"
    WARD = "ward"
    BED = "bed"
    WINDOW = "window"


class Platform(StrEnum):
    WECHAT = "wechat"
    ALIPAY = "alipay"

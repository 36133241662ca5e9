"""Codes as pictures: what a phone shows to a kiosk, and what a printed ticket shows to a phone."""

from uuid import UUID

import qrcode
from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.svg import SvgPathImage

QUIET_ZONE = 4  # modules; less, and readers of kiosks fail


def qr_svg(text: str) -> str:
    """The text as a QR code: SVG, error level M (15 % may be scratched)."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET_ZONE, image_factory=SvgPathImage)
    code.add_data(text)
    return code.make_image().to_string(encoding="unicode")


def ticket_text(ticket_id: UUID) -> str:
    """What a ticket's QR says: only that it is a ticket, and which. Reading it needs a login."""
    return f"JYT-{ticket_id.hex.upper()}"

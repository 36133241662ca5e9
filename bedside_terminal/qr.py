"""A QR code as SVG, for a terminal's screen."""

from io import BytesIO

import qrcode
from qrcode.image.svg import SvgPathImage


def qr_svg(text: str) -> str:
    image = qrcode.make(text, image_factory=SvgPathImage, box_size=10, border=4)
    out = BytesIO()
    image.save(out)
    return out.getvalue().decode()

"""QR codes, for phones that cannot be typed on."""

from __future__ import annotations

import base64
import io

import segno


def qr_code(text: str) -> str:
    """A text as a QR code: the address (data:) of an SVG picture with its quiet zone, dark on white."""
    picture = io.BytesIO()
    segno.make(text, error="m", micro=False).save(picture, kind="svg", scale=4, border=4, light="white", xmldecl=False)
    return "data:image/svg+xml;base64," + base64.b64encode(picture.getvalue()).decode()

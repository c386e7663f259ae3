"""Which kind of picture some bytes are, by what they begin with; what a server says of them counts for nothing."""

from __future__ import annotations

from typing import Final

_AVIF_BRANDS: Final = (b"avif", b"avis")


def kind_of(content: bytes) -> str | None:
    """The media type of a JPEG, PNG, GIF, WebP or AVIF; None for everything else, SVG and HTML above all.

    The first bytes are those of the WHATWG's MIME Sniffing Standard (6.1), for AVIF of ISO/IEC 14496-12 (4.3).
    """
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:14] == b"WEBPVP":
        return "image/webp"
    return "image/avif" if _is_avif(content) else None


def _is_avif(content: bytes) -> bool:
    """Whether the first box is the kind of file, and AVIF is that kind or one it is compatible with."""
    length = int.from_bytes(content[:4], "big")
    if content[4:8] != b"ftyp" or not 16 <= length <= min(len(content), 256):
        return False
    brands = [content[8:12], *(content[at : at + 4] for at in range(16, length, 4))]
    return any(brand in _AVIF_BRANDS for brand in brands)

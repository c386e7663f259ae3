"""Pictures for tests, one of each kind that is shown, and what only looks like one."""

from __future__ import annotations

import struct
import zlib
from typing import Final


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(shade: int = 0) -> bytes:
    """A picture of one dot."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(bytes([0, shade])))
        + _chunk(b"IEND", b"")
    )


PICTURES: Final[dict[str, bytes]] = {
    "image/png": png(),
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"\x00" * 20 + b"\xff\xd9",
    "image/gif": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
    "image/webp": b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00" + b"\x00" * 13,
    "image/avif": b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf" + b"\x00" * 20,
}
NONE: Final[dict[str, bytes]] = {
    "nothing": b"",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "svg with a declaration": b"<?xml version='1.0'?><svg/>",
    "html behind a picture's name": b"GIF8<script>alert(1)</script>",
    "a video": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    "a sound": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "a long box": b"\x00\x00\xff\xffftypavif\x00\x00\x00\x00",
    "a bitmap": b"BM\x46\x00\x00\x00",
    "a document": b"%PDF-1.7",
    "compressed": b"\x1f\x8b\x08\x00",
}

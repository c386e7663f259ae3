"""Saved pages of shops: each folder is a page, the profile that reads it, and what must be found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent / "pages"


def answer(path: str) -> tuple[int, str]:
    """The saved page of the case that the path's first part names, with the status its expectation asks for."""
    folder = PAGES / path.strip("/").split("/")[0]
    if not folder.is_dir() or folder == PAGES:
        return 404, ""
    return load(folder, "expected").get("status", 200), (folder / "page.html").read_text(encoding="utf-8")


def load(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))

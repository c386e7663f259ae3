"""Write docs/storefront-profile.schema.json from the schema that checks profiles; run it when a field changes."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.rpa.profiles.document import json_schema_text  # noqa: E402 - found only through the line above

TARGET = ROOT / "docs" / "storefront-profile.schema.json"


def main() -> None:
    """Write the file and say where."""
    TARGET.write_text(json_schema_text(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

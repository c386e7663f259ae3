"""How much is tried: a little in ``make test``, everything in ``make faults`` (``FAULTS=full``)."""

from __future__ import annotations

import os
from typing import Final

FULL: Final = os.environ.get("FAULTS") == "full"
BUYERS: Final = 50 if FULL else 12
UNITS: Final = 10 if FULL else 3
WEB_WORKERS: Final = 2 if FULL else 1
LONG_S: Final = 3600.0 if FULL else 120.0
"""How long one test may take."""
SEED: Final = int(os.environ.get("FAULTS_SEED", "5"))
"""Which of the places are tried where not all are; printed by the tests that choose."""

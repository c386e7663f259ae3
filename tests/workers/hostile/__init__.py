"""Hostile pages of the test shop: what each does, and how a visit to it must end."""

from __future__ import annotations

from typing import Final

from tests.workers.hostile.answers import ANSWERS
from tests.workers.hostile.clicks import CLICKS
from tests.workers.hostile.page import Answer, Hostile, Visitor
from tests.workers.hostile.scripts import SCRIPTS
from tests.workers.hostile.sights import SIGHTS
from tests.workers.hostile.ways import WAYS

__all__ = ["ANSWER_OF", "CLICKS", "PAGES", "Answer", "Hostile", "Visitor"]

PAGES: Final[tuple[Hostile, ...]] = (*ANSWERS, *WAYS, *SCRIPTS, *SIGHTS)
ANSWER_OF: Final = {page.asin: page.answer for page in (*PAGES, *CLICKS)}

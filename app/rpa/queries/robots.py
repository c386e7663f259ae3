"""Reads of what storefronts' servers say in their robots.txt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.core.extensions import db
from app.core.orm import database_now
from app.core.running import settings
from app.rpa.models.jobs import Action
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import Profile
from app.rpa.queries.storefronts import get_storefront
from app.rpa.rules.naming import product_of
from app.rpa.rules.robots import Rules, State, address_in, origin_of, origins_of, pages_of, read_rules

SAMPLE: Final = "B000000000"
"""The product that the farm's addresses are shown of where nobody names one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one server says."""

    url: str
    file: RobotsFile | None
    rules: Rules
    is_due: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page that errands go to, and whether they may; None while that is not known."""

    url: str
    is_allowed: bool | None


@dataclass(frozen=True, slots=True)
class Robots:
    """What a storefront's servers say, and what follows from it."""

    shop: Storefront
    user_agent: str
    files: list[Shown]
    pages: list[Page]


def get_robots(storefront_id: int, *, asin: str | None = None) -> Robots:
    """What was read of a storefront's robots.txt, and what it means for a product; raises StorefrontNotFound."""
    shop = get_storefront(storefront_id)
    profile = Profile.from_document(shop.profile)
    now = database_now(db.session())
    found = select(RobotsFile).where(RobotsFile.storefront_id == storefront_id).options(undefer(RobotsFile.body))
    known = {file.origin: file for file in db.session.scalars(found)}
    files: dict[str, Shown] = {}
    for origin in origins_of(profile):
        file = known.get(origin)
        rules = read_rules(file.body or "" if file else "")
        files[origin] = Shown(address_in(origin), file, rules, file is None or file.due_at <= now)
    pages = [_page(url, files[origin_of(url)]) for url in pages_of(profile, Action.ADD_TO_CART, asin or SAMPLE)]
    return Robots(shop, product_of(settings().farm.contact), list(files.values()), pages)


def _page(url: str, shown: Shown) -> Page:
    if shown.file is None or shown.file.state == State.UNREAD:
        return Page(url, None)
    if shown.file.state == State.REFUSED:
        return Page(url, is_allowed=False)
    return Page(url, shown.rules.allows(url))

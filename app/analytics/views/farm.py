"""The page of the farm's figures: how tasks ended, why, how long visits took, by storefront and worker."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from app.analytics.forms.farm import KINDS, FarmForm
from app.analytics.rules.farm_figures import STAGES
from app.analytics.views.farm_parts import MEANINGS, read_farm, seconds
from app.core.orm import utc_now
from app.core.pages import PageBlueprint
from app.orders.services.sales import day_of
from app.rpa.queries.storefronts import list_storefronts
from app.rpa.rules.codes import RULES

pages = PageBlueprint("farm_pages", __name__, url_prefix="/admin/farm")


@pages.get("")
@pages.requires("jobs:read")
def index() -> Any:
    """Show what the farm did in the period of the address, by its filters."""
    form = FarmForm(request.args, today=day_of(utc_now()))
    shops = list_storefronts(limit=100, cursor=None).items
    which = form.which({shop.code: shop.id for shop in shops})
    shown = {"farm": read_farm(form, which), "shops": shops, "asked": form.arguments(which)}
    words = {"kinds": KINDS, "stages": STAGES, "rules": RULES, "seconds": seconds, "meanings_of": MEANINGS}
    return render_template("analytics/farm.html", form=form, **shown, **words), form.status()

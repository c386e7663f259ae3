"""The pages of prices: storefronts' indexes against ours, where prices are apart, and the history of one product."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from app.analytics.forms.periods import PeriodForm
from app.analytics.forms.prices import DIRECTIONS, PricesForm
from app.analytics.queries.price_history import MAX_DAYS, get_price_history
from app.analytics.views.price_parts import INDEX_MEANINGS, find_differences, histories_of, read_indexes
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint
from app.orders.services.sales import day_of

pages = PageBlueprint("price_pages", __name__, url_prefix="/admin/prices")


@pages.get("")
@pages.requires("jobs:read")
def index() -> Any:
    """Show every storefront's index, and list the products whose prices are apart."""
    form = PricesForm(request.args, today=day_of(utc_now()))
    page = find_differences(form, cursor=request.args.get("cursor"))
    shown = {"indexes": read_indexes(form.period), "directions": DIRECTIONS, "meanings_of": INDEX_MEANINGS}
    return render_template("analytics/prices.html", form=form, page=page, **shown), form.status()


@pages.get("/<string:asin>")
@pages.requires("jobs:read")
def show(asin: str) -> Any:
    """Show what every storefront asked for a product, and what we asked."""
    form = PeriodForm(request.args, today=day_of(utc_now()), most=MAX_DAYS)
    may_see = current_principal().may("products:read")
    found = get_price_history(asin.upper(), period=form.period, shows_master=may_see, now=utc_now())
    return render_template("analytics/price.html", form=form, found=found, shops=histories_of(found)), form.status()

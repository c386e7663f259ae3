"""The page of sales figures: a period, what it was compared with, and the same numbers as tables and files."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from app.analytics.forms.periods import PeriodForm
from app.analytics.views.sales_parts import MEANINGS, currency_of, tiles_of
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, text_argument
from app.orders.queries.sales import sum_sales
from app.orders.services.sales import day_of

pages = PageBlueprint("sales_pages", __name__, url_prefix="/admin/sales")


@pages.get("")
@pages.requires("sales:read")
def index() -> Any:
    """Show what was sold in the period of the address."""
    form = PeriodForm(request.args, today=day_of(utc_now()))
    now, before = (sum_sales(since=each.first_on, until=each.last_on) for each in (form.period, form.period.before()))
    currency, currencies = currency_of((now, before), text_argument("currency"))
    shown = {"totals": tiles_of(now, before, currency), "currency": currency, "currencies": currencies}
    return render_template("analytics/sales.html", form=form, meanings_of=MEANINGS, **shown), form.status()

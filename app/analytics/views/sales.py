"""The page of sales figures: any period beside the one before, by day, category, product and brand."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from app.analytics.forms.sales import CategoryForm, SalesForm
from app.analytics.views.category_choice import read_categories, read_choices
from app.analytics.views.sales_parts import MEANINGS, read_sales
from app.core.orm import utc_now
from app.core.pages import PageBlueprint
from app.orders.services.sales import day_of

pages = PageBlueprint("sales_pages", __name__, url_prefix="/admin/sales")


@pages.get("")
@pages.requires("sales:read")
def index() -> Any:
    """Show what was sold in the period of the address, by its filters."""
    form = SalesForm(request.args, today=day_of(utc_now()))
    shown = {"categories": read_categories(form), "sales": read_sales(form), "meanings_of": MEANINGS}
    return render_template("analytics/sales.html", form=form, **shown), form.status()


@pages.get("/categories")
@pages.requires("sales:read")
def categories() -> Any:
    """List all categories, level by level or by words of their names, to choose whose sales to see."""
    form = CategoryForm(request.args)
    choices = read_choices(form, cursor=request.args.get("cursor"))
    return render_template("analytics/sales_categories.html", form=form, choices=choices)

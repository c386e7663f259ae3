"""The pages of products: a list to search, and all that is known of one of them."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from app.analytics.forms.products import ProductSearch
from app.analytics.views.product_parts import find_products, read_product
from app.core.pages import PageBlueprint

pages = PageBlueprint("product_pages", __name__, url_prefix="/admin/products")


@pages.get("")
@pages.requires("products:read")
def index() -> Any:
    """List products, those that are found by what was typed."""
    form = ProductSearch(request.args)
    page, stock = find_products(form)
    return render_template("analytics/products.html", form=form, page=page, stock=stock), form.status()


@pages.get("/<string:asin>")
@pages.requires("products:read")
def show(asin: str) -> Any:
    """Show a product with its figures, what it goes with, and its newest changes."""
    return render_template("analytics/product.html", **read_product(asin.upper(), cursor=request.args.get("cursor")))

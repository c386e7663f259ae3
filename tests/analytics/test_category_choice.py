"""Choosing any category there is: level by level, or by words of its name; what else was asked for stays."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask

from app.analytics.views.category_choice import ON_A_PAGE
from tests.analytics.page_facts import add_fact, days_ago, text_of, tiles
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.products.categories import add_category, add_product, put
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE = "/admin/sales/categories"


def analyst(app: Flask) -> Visitor:
    new_person(app, "ada@example.org", role="analyst")
    return Visitor(app, "ada@example.org")


def links(page: str) -> dict[str, str]:
    """The addresses of a page's rows, by the names they lead with."""
    rows = re.findall(r'<a class="main" href="([^"]+)"><bdi>(.*?)</bdi>', page)
    return {unescape(name): unescape(href) for href, name in rows}


def names(page: str) -> list[str]:
    return list(links(page))


def test_a_category_far_below_is_reached_level_by_level_and_chosen(app: Flask) -> None:
    with app.app_context():
        kitchen = add_category("Kitchen")
        kettles = add_category("Kettles", kitchen)
        copper = add_category("Copper", kettles)
        kettle = add_product(1)
        put({kettle: [copper]})
        add_fact(days_ago(1), net=10_00, asin="B000000001", product_id=kettle)
        add_fact(days_ago(1), net=3_00, asin="B000000002")
    ada = analyst(app)
    sales = ada.get("/admin/sales?days=7&by=week").text
    at = unescape(re.findall(r'class="other" href="([^"]+)"', sales)[0])
    for name in ("Kitchen", "Kettles"):
        page = ada.get(at).text
        assert names(page) == [name]
        at = unescape(re.findall(r'class="crumb" href="([^"]+)" aria-label="Categories below', page)[0])
    page = ada.get(at).text
    assert "All Kitchen Kettles" in text_of(page)
    assert 'aria-label="Categories below' not in page
    chosen = ada.get(links(page)["Copper"]).text
    assert tiles(chosen)["Net"].startswith("$10.00")
    assert 'aria-current="true">7 days' in chosen
    assert "Kitchen › Kettles › Copper</option>" in chosen


def test_each_of_many_is_listed_once(app: Flask) -> None:
    with app.app_context():
        made = [f"Number {at}" for at in range(2 * ON_A_PAGE + 3)]
        for name in made:
            add_category(name)
    ada, at, listed = analyst(app), PAGE, list[str]()
    while at:
        page = ada.get(at).text
        listed += names(page)
        following = re.findall(r'href="([^"]+)" rel="next"', page)
        at = unescape(following[0]) if following else ""
    assert listed == made


def test_words_find_categories_wherever_they_are(app: Flask) -> None:
    with app.app_context():
        kitchen = add_category("Küche & Bad")
        for name in ("Wasserkessel, Kupfer", "Kupferkessel", "Kessel", "Töpfe"):
            add_category(name, kitchen)
    ada = analyst(app)
    page = ada.get(f"{PAGE}?q=KESSEL&days=90").text
    assert names(page) == ["Kessel", "Kupferkessel", "Wasserkessel, Kupfer"]
    assert "Küche & Bad" in text_of(page)
    assert "days=90" in links(page)["Kessel"]
    assert names(ada.get(f"{PAGE}?q=kupfer+wasser").text) == ["Wasserkessel, Kupfer"]
    assert names(ada.get(f"{PAGE}?q=TÖPFE").text) == ["Töpfe"]
    assert names(ada.get(f"{PAGE}?q=%25").text) == []
    assert "No name has all of these words." in ada.get(f"{PAGE}?q=pan").text


def test_of_many_that_fit_the_first_are_shown_and_all_are_counted(app: Flask) -> None:
    with app.app_context():
        for at in range(ON_A_PAGE + 2):
            add_category(f"Pan {at:02}")
    page = analyst(app).get(f"{PAGE}?q=pan").text
    assert names(page) == [f"Pan {at:02}" for at in range(ON_A_PAGE)]
    assert f"The first {ON_A_PAGE} of {ON_A_PAGE + 2}." in page


@pytest.mark.parametrize(
    ("asked", "status"),
    [("parent=4711", 404), ("parent=x", 200), ("parent=99999999999999999999", 200), ("cursor=nonsense", 422),
     ("q=%00", 200), (f"q={'x' * 5000}", 200)],
    ids=["gone", "no number", "huge", "cursor", "nothing", "long"],
)  # fmt: skip
def test_what_cannot_be_is_refused_or_left_out(app: Flask, asked: str, status: int) -> None:
    assert analyst(app).get(f"{PAGE}?{asked}").status_code == status


def test_names_that_are_markup_are_only_text(app: Flask) -> None:
    hostile = '"><script>alert(1)</script>'
    with app.app_context():
        add_category("Below", add_category(hostile))
    ada = analyst(app)
    for page in (ada.get(PAGE).text, ada.get(f"{PAGE}?q=alert").text, ada.get(f"{PAGE}?q={hostile}").text):
        assert hostile not in page
        assert hostile in unescape(page)


def test_who_may_not_read_sales_is_refused(app: Flask) -> None:
    new_person(app, "bob@example.org", role="farm operator")
    assert Visitor(app, "bob@example.org").get(PAGE).status_code == 403

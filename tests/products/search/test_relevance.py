"""What people type finds what they mean first, and the same on every database."""

from __future__ import annotations

from typing import Any, Final

import pytest
from flask import Flask

from app.products.search import finding, matching, upkeep
from app.products.search.finding import find
from app.products.search.port import Filters, Query
from tests.products.search import shelf

CASES: Final[list[tuple[str, list[str]]]] = [
    # an exact name, names that begin so, names that have it
    ("kettle", ["Kettle", "Kettle descaler, 500 ml", "Electric kettle with a whistle", "Copper kettle, 1.7 l"]),
    ("KETTLE", ["Kettle", "Kettle descaler, 500 ml", "Electric kettle with a whistle", "Copper kettle, 1.7 l"]),
    ("headphones", ["Headphones stand", "Sony headphones case", "Noise cancelling headphones WH-1000XM5"]),
    ("red shirt", ["Red shirt for children", "Shirt, red", "T-shirt, red, XL"]),
    # brand and name together; a brand alone
    ("lumo lamp", ["Lamp oil, 500ml", "Reading lamp"]),
    ("sony headphones", ["Sony headphones case", "Noise cancelling headphones WH-1000XM5"]),
    ("bose", ["Bose speaker"]),
    ("kettles & co", ["Copper kettle, 1.7 l"]),
    # as one types
    ("ket", ["Kettle", "Kettle descaler, 500 ml", "Electric kettle with a whistle", "Copper kettle, 1.7 l"]),
    ("copper ket", ["Copper kettle, 1.7 l"]),
    ("headphone", ["Headphone adapter", "Headphones stand", "Sony headphones case"]),
    ("x", ["x", "T-shirt, red, XL", "Noise cancelling headphones WH-1000XM5"]),
    # words a database has opinions on: stop words, short ones, operators
    ("the who", ["The Who: Live at Leeds"]),
    ("to be or not to be", ["To be or not to be, a poster"]),
    ("and or not", ["AND OR NOT: logic for all"]),
    ("at", ["The Who: Live at Leeds"]),
    # hyphens, units and digits
    ("usb-c", ["USB C charger 65W", "USB-C cable, 2 m", "Desk lamp with USB-C port"]),
    ("usb c cable", ["USB-C cable, 2 m"]),
    ("usbc", ["USB-C cable, 2 m", "Desk lamp with USB-C port"]),
    ("500ml", ["Lamp oil, 500ml", "Kettle descaler, 500 ml"]),
    ("500 ml", ["Kettle descaler, 500 ml", "Lamp oil, 500ml"]),
    ("wh-1000xm5", ["Noise cancelling headphones WH-1000XM5"]),
    ("wh1000xm5", ["Noise cancelling headphones WH-1000XM5"]),
    ("wh 1000", ["Noise cancelling headphones WH-1000XM5"]),
    ("b12", ["Vitamin B12 tablets"]),
    ("r2d2", ["R2-D2 figure"]),
    ("t-shirt", ["T-shirt, red, XL"]),
    ("c++", ["C++ in ten lessons"]),
    ("100%", ["100% cotton towel"]),
    # accents and other letters
    ("cafe", ["Café au lait bowl", "Cafetière, 8 cups"]),
    ("CAFÉ", ["Café au lait bowl", "Cafetière, 8 cups"]),
    ("cafetiere emile", ["Cafetière, 8 cups"]),
    ("strasse", ["Straße sign"]),
    ("lodz", ["Łódź city map"]),
    ("smorrebrod", ["Smørrebrød board"]),
    ("aegir", ["Smørrebrød board"]),
    ("loreal", ["L'Oréal shampoo"]),
    ("l’oréal", ["L'Oréal shampoo"]),
    ("childrens", ["Children's book"]),
    ("fullwidth", ["Ｆｕｌｌｗｉｄｔｈ mug"]),
    ("чайник", ["Чайник медный"]),
    ("ламп", ["Настольная лампа"]),
    ("κανατα", ["Κανάτα"]),
    # scripts without blanks
    ("猫", ["猫砂 5kg", "猫のおもちゃ"]),
    ("おもちゃ", ["犬のおもちゃ", "猫のおもちゃ"]),
    ("猫の", ["猫のおもちゃ"]),
    ("ねこや", ["猫砂 5kg", "猫のおもちゃ"]),
    ("京都", ["京都の地図"]),
    ("模型", ["東京タワーの模型"]),
    ("型", ["東京タワーの模型"]),
    ("ต้มน้ำ", ["กาต้มน้ำ"]),
    # ASIN
    (shelf.asin(7), ["Desk lamp with USB-C port"]),
    (shelf.asin(7).lower(), ["Desk lamp with USB-C port"]),
    (" B0SHELF 00-7 ", ["Desk lamp with USB-C port"]),
    ("B0SHELF00", [name for name, _ in shelf.BY_HAND[:10]]),
]


@pytest.fixture
def filled(context: Flask) -> Flask:
    shelf.fill()
    return context


def hits(text: str, **filters: Any) -> list[str]:
    return shelf.names(find(Query(text, Filters(**filters))).ids)


def test_the_best_hits_come_first(filled: Flask) -> None:
    wrong = {text: found for text, best in CASES if (found := hits(text))[: len(best)] != best}
    assert wrong == {}


def test_all_words_must_be_there(filled: Flask) -> None:
    assert len(hits("large")) == 50
    assert len(hits("large red")) == 10
    assert hits("large red mirror") == ["large red mirror"]
    assert hits("mirror large RED") == ["large red mirror"]
    assert hits("large red kettle") == []


@pytest.mark.parametrize("text", ["kettle", "large red", "red mirr", "holz", "mirror", "small", "ve", "カ", "usb-c"])
def test_words_that_many_products_have_find_the_same(filled: Flask, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every word held to be common, and so found by other statements."""
    before = find(Query(text))
    shelf.hold_common(monkeypatch)
    assert find(Query(text)) == before


def test_of_common_words_the_newest_products_are_looked_at(filled: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.hold_common(monkeypatch, rare=10)
    monkeypatch.setattr(matching, "WINDOW", 100)
    monkeypatch.setattr(matching, "TITLES", 0)
    found = find(Query("holz "))
    assert found.is_capped
    assert len(found.ids) == 100
    assert set(shelf.names(found.ids)) == {name for name, _ in shelf.ALL[-100:]}


def test_of_very_many_hits_the_newest_are_ranked_and_names_that_begin_so(
    filled: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "CANDIDATES", 20)
    found = find(Query("red"))
    assert found.is_capped
    assert len(found.ids) == 21
    assert shelf.names(found.ids[:1]) == ["Red shirt for children"]


MISSPELT: Final[dict[str, str | None]] = {
    "kettel": "kettle",
    "ketle": "kettle",
    "kkettle": "kettle",
    "jettle": "kettle",
    "vsae": "vase",
    "avse": "vase",
    "vass": "vase",
    "kaybaord": "keyboard",
    "headfonez": None,
    "hesdphonez": "headphones",
    "ceyboart": "keyboard",
    "wireles keyboard": "wireless keyboard",
    "coper ketle": "copper kettle",
    "чайнек": "чайник",
    "larg rde mirror": None,
    "b13": None,
    "usv": None,
}


def test_words_that_nobody_uses_are_put_right(filled: Flask) -> None:
    found = {text: find(Query(f"{text} ")) for text in MISSPELT}
    assert {text: one.corrected for text, one in found.items()} == MISSPELT
    meant = {text: find(Query(f"{right} ")).ids if right else [] for text, right in MISSPELT.items()}
    assert {text: one.ids for text, one in found.items()} == meant
    assert all(meant[text] for text, right in MISSPELT.items() if right)


def test_a_word_that_finds_something_is_not_put_right(filled: Flask) -> None:
    shelf.add([("Vace holder", None)] * 3, start=500)
    upkeep.drain()
    found = find(Query("vace "))
    assert (len(found.ids), found.corrected) == (3, None)


def test_a_name_with_a_slip_comes_before_what_was_meant(filled: Flask) -> None:
    shelf.add([("Kettel with a slip in its name", None)], start=500)
    upkeep.drain()
    found = find(Query("mirorr "))
    assert found.corrected == "mirror"
    shelf.add([("Mirorr", None)], start=501)
    upkeep.drain()
    again = find(Query("mirorr "))
    assert shelf.names(again.ids)[0] == "Mirorr"
    assert again.corrected == "mirror"
    assert set(again.ids[1:]) == set(found.ids)


ODD: Final = (
    "😀", "🐱🐱", "---", "'", '"', "\\", "%", "_", "*", "()", '"" OR 1=1 --', "') OR ('1'='1", "+-><~@", "a:b",
    "NEAR(", "kettle AND", "NOT kettle OR", "kettle*lamp", "{words}: kettle", "^kettle", "kettle:*", "'kettle' & !",
    "words:kettle", "\u202ekettle", "k" * 200, "a " * 100, "猫" * 200, "1" * 200, "０", "ﷺ" * 11, "ß" * 200,
    "İstanbul",
    "\ud83d".encode("utf-8", "replace").decode(), "zzkettle", "zy", "B" * 14, "0" * 14, "٣٤", "½", "𝕂𝕖𝕥𝕥𝕝𝕖",
)  # fmt: skip


def test_nothing_that_is_typed_is_an_error_or_an_operator(filled: Flask) -> None:
    assert {typed for text in ODD for typed in (text, f"{text} ", f"zebra {text}") if hits(typed, price_max=1)} == set()
    assert [text for text in ("kettle AND", "NOT kettle OR lamp", "kettle*lamp", "kettle | lamp") if hits(text)] == []
    for text in ODD:
        find(Query(text))


def test_filters_are_applied_to_all_that_is_found(filled: Flask) -> None:
    some = shelf.names(find(Query("large")).ids)
    newest_first = find(Query("large")).ids
    inside = shelf.put_into("furniture", [])
    below = shelf.put_into("big", newest_first[:7], parent_id=inside)
    assert hits("large", category=inside) == hits("large", category=below) == some[:7]
    assert hits("kettle", brand="Lumo") == ["Kettle", "Kettle descaler, 500 ml"]
    assert hits("kettle", brand="lumo") == []
    assert hits("large", price_min=1199, price_max=1199) == ["large white vase"]
    assert len(hits("large", in_stock=True)) == len(hits("large", in_stock=False)) == 25
    shelf.change(newest_first[0], is_active=False)
    assert hits("large", is_active=False) == some[:1]
    assert hits("large", is_active=True) == some[1:]
    assert hits(shelf.asin(7), brand="Lumo") == []
    assert hits(shelf.asin(7), brand="Helle") == ["Desk lamp with USB-C port"]


@pytest.mark.parametrize("filters", [{"brand": "Holz"}, {"price_min": 1010}, {"in_stock": True}, {"is_active": True}])
def test_filters_of_common_words_are_the_same(
    filled: Flask, filters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {text: hits(text, **filters) for text in ("red", "large red", "mirr", "large ")}
    shelf.hold_common(monkeypatch)
    assert {text: hits(text, **filters) for text in expected} == expected
    assert all(expected.values())


def test_a_gtin_is_found_in_all_its_spellings(context: Flask) -> None:
    shelf.add([("Pencil", None)], gtin="04006381333931")
    shelf.add([("Pen", None)], start=1, gtin="96385074")
    upkeep.drain()
    assert hits("4006381333931") == hits("04006381333931") == hits("400-638 133393") == ["Pencil"]
    assert hits("96385074") == ["Pen"]
    assert hits("963850") == ["Pen"]
    assert hits("9638") == []


def test_few_is_what_the_promise_says() -> None:
    assert finding.FEW == 2

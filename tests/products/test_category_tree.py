"""The tree with plain values, and what stands for a category in addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.products.models.categories import MAX_CATEGORY_NAME, MAX_SLUG
from app.products.slugs import SLUG, first_free, slug_of
from app.products.tree import Node, Tree

#     1 ─┬─ 2 ── 4
#        └─ 3
TREE = Tree([Node(4, 2, "d", 0), Node(3, 1, "c", 5), Node(2, 1, "b", 1), Node(1, None, "a", 0)])


def test_a_path_goes_from_a_category_upwards() -> None:
    assert TREE.path(4) == [4, 2, 1]
    assert TREE.path(1) == [1]
    assert TREE.path(None) == []


def test_children_are_in_their_order_and_levels_hold_all_below() -> None:
    assert [node.id for node in TREE.children(1)] == [2, 3]
    assert TREE.levels(1) == [[1], [2, 3], [4]]
    assert TREE.levels(4) == [[4]]


def test_loops_are_found_and_nothing_runs_for_ever_in_them() -> None:
    broken = Tree([Node(1, None, "a", 0), Node(2, 3, "b", 0), Node(3, 2, "c", 0), Node(4, 3, "d", 0)])
    assert broken.loops() == [2, 3, 4]
    assert (broken.path(4), broken.levels(2)) == ([4, 3, 2], [[2], [3], [4]])
    assert TREE.loops() == []


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Kitchen & Home", "kitchen-home"),
        ("Straße  Öl", "strasse-ol"),
        ("厨房", "chu-fang"),
        ("Ελλάδα", "ellada"),
        ("-- 12 --", "12"),
        ("🍳", "category"),
    ],
)
def test_a_slug_is_made_of_a_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@given(st.text(min_size=1, max_size=MAX_CATEGORY_NAME))
def test_whatever_the_name_its_slug_keeps_the_rule_with_room_for_a_number(name: str) -> None:
    slug = slug_of(name)
    assert SLUG.fullmatch(slug)
    assert len(slug) <= MAX_SLUG - len("-10000")


def test_a_taken_slug_gets_the_first_free_number() -> None:
    assert first_free("lamps", set()) == "lamps"
    assert first_free("lamps", {"lamps", "lamps-2", "lamps-4"}) == "lamps-3"

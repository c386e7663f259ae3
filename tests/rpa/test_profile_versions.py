"""The versions of a storefront's profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.errors import ProfileVersionActive, ProfileVersionNotFound, StorefrontStale
from app.rpa.models.observations import Observation
from app.rpa.models.storefronts import ProfileVersion, Storefront, VersionState
from app.rpa.profile_diff import differences
from app.rpa.queries.profiles import diff_versions, get_version, list_versions
from app.rpa.services import profiles, storefronts
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import SUCCESS, FarmDriver, profile

Threads = Callable[[list[Callable[[], Any]]], list[Any]]
SLOW = {"gap_ms": 700, "concurrency": 3}


def shop() -> Storefront:
    db.session.rollback()
    return db.session.scalars(select(Storefront).execution_options(populate_existing=True)).one()


def states() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(ProfileVersion.state).order_by(ProfileVersion.number)))


def draft(**changes: Any) -> ProfileVersion:
    return profiles.draft_version(
        actor=permissions.system(), now=utc_now(), storefront_id=shop().id, profile=profile(**changes), note="try it"
    )


def activate(number: int, expected_version: int) -> ProfileVersion:
    return profiles.activate_version(
        actor=permissions.system(), now=utc_now(), storefront_id=shop().id, expected_version=expected_version,
        number=number,
    )  # fmt: skip


def save(expected_version: int, **changes: Any) -> Storefront:
    return storefronts.update_storefront(
        actor=permissions.system(), now=utc_now(), storefront_id=shop().id, expected_version=expected_version,
        name="Shop", profile=profile(**changes), is_active=True, note="saved",
    )  # fmt: skip


def test_saving_another_profile_makes_a_version_and_saving_the_same_one_makes_none(farm: FarmDriver) -> None:
    assert (shop().profile_version, states()) == (1, [VersionState.ACTIVE])
    save(1, pace=SLOW)
    save(2, pace=SLOW)
    assert (shop().version, shop().profile_version, shop().gap_ms) == (3, 2, 700)
    assert states() == [VersionState.PAST, VersionState.ACTIVE]
    second = get_version(shop().id, 2)
    assert (second.note, second.actor_kind, second.profile["pace"]) == ("saved", "system", SLOW)
    assert second.activated_at is not None


def test_a_draft_changes_nothing_until_it_is_activated(farm: FarmDriver) -> None:
    assert draft(pace=SLOW).number == 2
    assert (shop().profile, shop().profile_version, shop().version, shop().gap_ms) == (profile(), 1, 1, 0)
    activate(2, 1)
    assert (shop().profile, shop().profile_version, shop().version) == (profile(pace=SLOW), 2, 2)
    assert (shop().gap_ms, shop().concurrency) == (700, 3)
    assert states() == [VersionState.PAST, VersionState.ACTIVE]


def test_an_earlier_version_comes_back_as_a_new_one(farm: FarmDriver) -> None:
    save(1, pace=SLOW)
    back = activate(1, 2)
    assert (back.number, back.copy_of, back.profile) == (3, 1, profile())
    assert (shop().profile, shop().profile_version, shop().gap_ms) == (profile(), 3, 0)
    assert states() == [VersionState.PAST, VersionState.PAST, VersionState.ACTIVE]


@pytest.mark.parametrize(
    ("number", "expected_version", "refusal"),
    [(1, 1, ProfileVersionActive), (9, 1, ProfileVersionNotFound), (2, 7, StorefrontStale)],
)
def test_what_cannot_be_activated_is_refused_and_changes_nothing(
    farm: FarmDriver, number: int, expected_version: int, refusal: type[Exception]
) -> None:
    draft(pace=SLOW)
    with pytest.raises(refusal):
        activate(number, expected_version)
    assert (shop().profile_version, shop().version, states()) == (1, 1, [VersionState.ACTIVE, VersionState.DRAFT])


def test_of_two_that_save_and_draft_at_once_each_gets_a_number_of_its_own(
    farm: FarmDriver, in_threads: Threads
) -> None:
    id_ = shop().id
    db.session.rollback()

    def one() -> Any:
        return profiles.draft_version(
            actor=permissions.system(), now=utc_now(), storefront_id=id_, profile=profile(pace=SLOW)
        ).number

    assert sorted(in_threads([one, one, one, one])) == [2, 3, 4, 5]
    outcomes = in_threads([lambda: activate(2, 1).number, lambda: activate(3, 1).number])
    assert [type(each) for each in outcomes].count(StorefrontStale) == 1
    assert (states().count(VersionState.ACTIVE), shop().version, shop().profile_version in outcomes) == (1, 2, True)


def test_a_task_and_its_observation_say_by_which_version_they_were_read(farm: FarmDriver) -> None:
    job = farm.submit()
    farm.release()
    first, second, *_ = farm.task_ids(job)
    lease = farm.leased(first)
    save(1, currency="EUR")
    later = farm.leased(second)
    assert finish_task(lease=lease, outcome=SUCCESS)
    assert (farm.task(first).profile_version, farm.task(second).profile_version) == (1, 2)
    assert (lease.profile.currency, later.profile.currency) == ("USD", "EUR")
    assert db.session.scalars(select(Observation.profile_version)).all() == [1]


def test_a_diff_names_every_place_with_its_value_before_and_after(farm: FarmDriver) -> None:
    product = {"url": "/p/{asin}", "name": [{"css": "h1"}], "price": [{"css": ".price"}, {"css": ".now"}]}
    save(1, product=product, pace=SLOW, load_images=True)
    found = {
        each.pointer: (each.kind, each.before, each.after) for each in diff_versions(shop().id, 1, None).differences
    }
    assert found == {
        "/product/url": ("changed", "/dp/{asin}", "/p/{asin}"),
        "/product/price/1": ("added", None, {"css": ".now"}),
        "/pace/gap_ms": ("changed", 0, 700),
        "/pace/concurrency": ("changed", 8, 3),
        "/load_images": ("added", None, True),
    }
    assert diff_versions(shop().id, 2, 2).differences == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a/b": 1}, {"a~b": 1}, [("/a~1b", "removed"), ("/a~0b", "added")]),
        ({"a": 1}, {"a": True}, [("/a", "changed")]),
        ({"a": [1, 2, 3]}, {"a": [1, 3]}, [("/a/1", "changed"), ("/a/2", "removed")]),
        ({"a": None}, {}, [("/a", "removed")]),
        ({"a": {}}, {"a": []}, [("/a", "changed")]),
        (1, 1, []),
    ],
)
def test_documents_are_compared_as_json_is(before: Any, after: Any, expected: list[tuple[str, str]]) -> None:
    assert [(each.pointer, each.kind) for each in differences(before, after)] == expected


def test_versions_are_listed_newest_first_in_pages(farm: FarmDriver) -> None:
    draft(pace=SLOW)
    draft(currency="EUR")
    page = list_versions(shop().id, limit=2, cursor=None)
    assert [row.number for row in page.items] == [3, 2]
    rest = list_versions(shop().id, limit=2, cursor=page.next_cursor)
    assert ([row.number for row in rest.items], rest.next_cursor) == ([1], None)


def test_a_deleted_storefront_leaves_no_versions(farm: FarmDriver) -> None:
    draft(pace=SLOW)
    storefronts.delete_storefront(actor=permissions.system(), storefront_id=shop().id, expected_version=1)
    assert db.session.scalar(select(func.count()).select_from(ProfileVersion)) == 0


def test_versions_are_drafted_compared_and_activated_by_api(client: FlaskClient, auth_headers: dict[str, str]) -> None:
    made = client.post(
        "/api/v1/storefronts", json={"code": "shop", "name": "Shop", "profile": profile()}, headers=auth_headers
    )
    versions = f"/api/v1/storefronts/{made.get_json()['id']}/profile-versions"
    sent = {"profile": profile(currency="EUR"), "note": "Euros"}
    drafted = client.post(versions, json=sent, headers=auth_headers)
    assert (drafted.status_code, drafted.headers["Location"]) == (201, f"{versions}/2")
    assert {name: drafted.get_json()[name] for name in ("number", "state", "note", "actor_kind")} == {
        "number": 2, "state": "DRAFT", "note": "Euros", "actor_kind": "user"
    }  # fmt: skip
    diff = client.get(f"{versions}/1/diff?to=2", headers=auth_headers).get_json()
    assert diff["differences"] == [{"pointer": "/currency", "kind": "changed", "before": "USD", "after": "EUR"}]
    wrong = client.post(versions, json={"profile": profile(currency="EURO")}, headers=auth_headers)
    assert (wrong.status_code, wrong.get_json()["errors"][0]["pointer"]) == (422, "/profile/currency")
    unsaid = client.post(f"{versions}/2/activate", json={}, headers=auth_headers)
    assert (unsaid.status_code, client.get(versions, headers=auth_headers).get_json()["items"][0]["state"]) == (
        428,
        "DRAFT",
    )
    done = client.post(f"{versions}/2/activate", json={}, headers=auth_headers | {"If-Match": '"v1"'})
    assert (done.status_code, done.get_json()["state"]) == (200, "ACTIVE")
    shown = client.get(f"/api/v1/storefronts/{made.get_json()['id']}", headers=auth_headers).get_json()
    assert (shown["profile"]["currency"], shown["profile_version"], shown["version"]) == ("EUR", 2, 2)

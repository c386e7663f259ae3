"""The versions of a storefront's profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.errors import (
    ProfileVersionActive,
    ProfileVersionLoses,
    ProfileVersionNotFound,
    ProfileVersionNotReplayed,
    ProfileVersionUsed,
    StorefrontStale,
)
from app.rpa.models.observations import Observation
from app.rpa.models.storefronts import ProfileVersion, Storefront, VersionState
from app.rpa.profiles.diff import differences
from app.rpa.queries.profiles import diff_versions, get_version, list_versions
from app.rpa.rules.readings import Kind
from app.rpa.services import profiles, storefronts
from app.rpa.services.outcomes import finish_task
from app.rpa.services.replays import submit_replay
from tests.rpa.conftest import ASINS, SUCCESS, FarmDriver, profile
from tests.rpa.keeping import add_evidence, end_trial
from tests.servers import on_sqlite

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


def activate(number: int, expected_version: int, **more: Any) -> ProfileVersion:
    return profiles.activate_version(
        actor=permissions.system(), now=utc_now(), storefront_id=shop().id, expected_version=expected_version,
        number=number, **more,
    )  # fmt: skip


def replayed(number: int, **lost: int) -> None:
    """Let a replay of a version have ended with so many lost values by field."""
    trial = submit_replay(actor=permissions.system(), storefront_id=shop().id, number=number)
    counts = {field: {"same": 3, "changed": 0, "gained": 0, "lost": count} for field, count in lost.items()}
    found = {"pages": [{}, {}], "read_well": 1, "counts": counts, "lost": sum(lost.values()), "skipped": 0}
    end_trial(trial.id, found)


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


def activations() -> int:
    mine = AuditEvent.action == "profile_version.activate"
    return db.session.scalar(select(func.count()).where(mine)) or 0


def test_a_version_that_loses_values_is_activated_only_when_that_is_confirmed(farm: FarmDriver) -> None:
    draft(currency="EUR")
    replayed(2, price=2, name=0, code=1)
    with pytest.raises(ProfileVersionLoses) as refused:
        activate(2, 1)
    assert refused.value.detail == (
        "Replayed on 2 kept pages against version 1: 3 values lost. It would no longer read: price on 2, "
        "whole pages: 1. Send confirm: true to activate it all the same."
    )
    assert (states(), shop().version, shop().profile["currency"], activations()) == (["ACTIVE", "DRAFT"], 1, "USD", 0)
    assert activate(2, 1, confirm=True).state == VersionState.ACTIVE
    assert (states(), shop().profile["currency"], activations()) == (["PAST", "ACTIVE"], "EUR", 1)


@on_sqlite
def test_what_counts_is_the_newest_replay_against_the_version_that_is_active(farm: FarmDriver) -> None:
    draft(currency="EUR")
    draft(currency="GBP")
    replayed(2, price=2)
    replayed(2, price=0)
    assert activate(2, 1).replayed == "Replayed on 2 kept pages against version 1: no values lost."
    replayed(3, price=1)
    activate(1, 2)  # version 1 comes back as version 4, which 3 was not replayed against
    assert activate(3, 3).replayed == "Not replayed against version 4: no page of the storefront is kept."


def keep_page(farm: FarmDriver) -> None:
    """Let the HTML of a failed visit be kept, which a replay could read."""
    add_evidence(farm.task_ids(farm.submit(ASINS[:1]))[0], b"a page", kind=Kind.HTML)


def test_a_draft_that_was_not_replayed_needs_a_confirmation_where_pages_are_kept(farm: FarmDriver) -> None:
    draft(currency="EUR")
    keep_page(farm)
    submit_replay(actor=permissions.system(), storefront_id=shop().id, number=2)  # and has not ended
    with pytest.raises(ProfileVersionNotReplayed) as refused:
        activate(2, 1)
    assert refused.value.detail == (
        "Not replayed against version 1. Replay it first (POST .../profile-versions/2/replay), "
        "or send confirm: true to activate it unseen."
    )
    assert (states(), shop().version, shop().profile["currency"], activations()) == (["ACTIVE", "DRAFT"], 1, "USD", 0)
    assert activate(2, 1, confirm=True).replayed == "Not replayed against version 1."
    back = activate(1, 2)  # was active before: it may be needed at once
    assert (back.number, back.replayed) == (3, "Not replayed against version 2.")


def test_a_draft_needs_no_confirmation_once_it_was_replayed_against_the_active_version(farm: FarmDriver) -> None:
    draft(currency="EUR")
    draft(currency="GBP")
    keep_page(farm)
    replayed(2, price=0)
    replayed(3, price=0)
    assert activate(2, 1).number == 2
    with pytest.raises(ProfileVersionNotReplayed):
        activate(3, 2)
    assert states() == ["PAST", "ACTIVE", "DRAFT"]


@on_sqlite
def test_pages_of_another_storefront_and_pictures_ask_for_no_replay(farm: FarmDriver) -> None:
    add_evidence(farm.task_ids(farm.submit(ASINS[:1]))[0], b"a picture")
    id_ = shop().id
    other = farm.storefront("other")
    add_evidence(farm.task_ids(farm.submit(ASINS[:1], storefront="other"))[0], b"a page", kind=Kind.HTML)
    about: dict[str, Any] = {"actor": permissions.system(), "now": utc_now(), "storefront_id": id_}
    profiles.draft_version(**about, profile=profile(currency="EUR"))
    said = profiles.activate_version(**about, expected_version=1, number=2).replayed
    assert (other.id != id_, said) == (True, "Not replayed against version 1: no page of the storefront is kept.")


@on_sqlite
def test_over_the_api_a_draft_that_was_not_replayed_is_a_conflict_until_confirmed(
    farm: FarmDriver, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    draft(currency="EUR")
    keep_page(farm)
    path, headers = f"/api/v1/storefronts/{shop().id}/profile-versions/2/activate", auth_headers | {"If-Match": '"v1"'}
    answer = client.post(path, json={}, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "PROFILE_VERSION_NOT_REPLAYED")
    assert states() == ["ACTIVE", "DRAFT"]
    confirmed = client.post(path, json={"confirm": True}, headers=headers)
    assert (confirmed.status_code, confirmed.get_json()["replayed"]) == (200, "Not replayed against version 1.")
    assert states() == ["PAST", "ACTIVE"]


@on_sqlite
def test_over_the_api_a_version_that_loses_values_is_a_conflict_until_confirmed(
    farm: FarmDriver, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    draft(currency="EUR")
    replayed(2, price=2)
    path, headers = f"/api/v1/storefronts/{shop().id}/profile-versions/2/activate", auth_headers | {"If-Match": '"v1"'}
    answer = client.post(path, json={}, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "PROFILE_VERSION_LOSES")
    assert "price on 2" in answer.get_json()["detail"]
    for word in ("true", 1, None):
        assert client.post(path, json={"confirm": word}, headers=headers).status_code == 422
    assert states() == ["ACTIVE", "DRAFT"]
    assert client.post(path, json={"confirm": True}, headers=headers).status_code == 200
    assert states() == ["PAST", "ACTIVE"]


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


def test_a_draft_can_be_deleted_and_its_number_is_not_given_again(farm: FarmDriver) -> None:
    draft(pace=SLOW)
    draft(pace=SLOW)
    profiles.delete_draft(actor=permissions.system(), storefront_id=shop().id, number=3)
    assert states() == [VersionState.ACTIVE, VersionState.DRAFT]
    with pytest.raises(ProfileVersionNotFound):
        activate(3, 1)
    assert draft(pace=SLOW).number == 4
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "profile_version.delete")).one()
    assert event.before is not None
    assert (event.before["number"], event.before["profile"]["pace"]) == (3, SLOW)


@pytest.mark.parametrize(
    ("number", "refusal"), [(1, ProfileVersionUsed), (2, ProfileVersionUsed), (9, ProfileVersionNotFound)]
)
def test_a_version_that_was_ever_active_is_not_deleted(farm: FarmDriver, number: int, refusal: type[Exception]) -> None:
    save(1, pace=SLOW)
    id_ = shop().id
    db.session.rollback()
    with pytest.raises(refusal):
        profiles.delete_draft(actor=permissions.system(), storefront_id=id_, number=number)
    assert states() == [VersionState.PAST, VersionState.ACTIVE]
    assert db.session.scalar(select(func.count()).where(AuditEvent.action == "profile_version.delete")) == 0


def test_of_one_that_deletes_a_draft_and_one_that_activates_it_only_one_succeeds(
    farm: FarmDriver, in_threads: Threads
) -> None:
    draft(pace=SLOW)
    id_ = shop().id
    db.session.rollback()
    deleted, activated = in_threads([
        lambda: profiles.delete_draft(actor=permissions.system(), storefront_id=id_, number=2),
        lambda: activate(2, 1).number,
    ])  # fmt: skip
    if deleted is None:
        assert (type(activated), states(), shop().profile_version) == (ProfileVersionNotFound, ["ACTIVE"], 1)
    else:
        assert (type(deleted), activated, states()) == (ProfileVersionUsed, 2, ["PAST", "ACTIVE"])


@on_sqlite
def test_a_draft_is_deleted_over_the_api_with_the_permission_to_write_storefronts(
    farm: FarmDriver, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    path = f"/api/v1/storefronts/{shop().id}/profile-versions"
    draft(pace=SLOW)
    assert client.delete(f"{path}/2").status_code == 401
    assert client.delete(f"{path}/2", headers=auth_headers).status_code == 204
    assert client.get(f"{path}/2", headers=auth_headers).status_code == 404
    refused = client.delete(f"{path}/1", headers=auth_headers)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "PROFILE_VERSION_USED")

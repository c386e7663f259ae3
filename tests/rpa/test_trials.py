"""Tries of profiles: asked for, claimed at the storefront's pace, recorded once, deleted in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.errors import Refusal
from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import table_of, utc_now
from app.core.queues import TRIALS, doorbell
from app.core.transactions import in_transaction
from app.rpa.models.observations import Observation
from app.rpa.models.storefronts import Storefront
from app.rpa.models.trials import Trial, TrialState
from app.rpa.queries.storefronts import find_storefront, get_storefront
from app.rpa.queries.trials import get_try
from app.rpa.rules.codes import Code
from app.rpa.rules.trials import screenshot_of
from app.rpa.services import profiles, storefronts, trials
from app.rpa.services.trial_upkeep import KEPT_MOST, look_after_trials, purge_trials
from tests.rpa.conftest import ASINS, FarmDriver, profile
from tests.rpa.keeping import end_trial

Threads = Callable[[list[Callable[[], Any]]], list[Any]]
ACTOR = permissions.system()


def shop_id(code: str = "shop") -> int:
    row = find_storefront(code)
    assert row is not None
    return row.id


def ask(**about: Any) -> Trial:
    return trials.submit_try(
        actor=ACTOR, storefront_id=about.pop("storefront_id", None) or shop_id(), asin=ASINS[0], **about
    )


def claim(row: Trial | int) -> trials.TrialLease | None:
    id_ = row if isinstance(row, int) else row.id
    return trials.claim_trial(trial_id=id_, worker_id=None, lease_s=30)


def claimed(row: Trial) -> trials.TrialLease:
    lease = claim(row)
    assert lease is not None
    return lease


def state(row: Trial) -> tuple[str, str | None]:
    db.session.rollback()
    found = db.session.get_one(Trial, row.id, populate_existing=True)
    return found.state, found.code


def count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Trial)) or 0


@in_transaction
def change(row: Trial, **values: Any) -> None:
    db.session.execute(update(Trial).where(Trial.id == row.id).values(**values))


def save(**changes: Any) -> None:
    known = get_storefront(shop_id())
    values: dict[str, Any] = {"name": "Shop", "profile": profile(), "is_active": True} | changes
    storefronts.update_storefront(
        actor=ACTOR, now=utc_now(), storefront_id=shop_id(), expected_version=known.version, **values
    )


def messages() -> int:
    return doorbell().queue(TRIALS).count


def test_a_try_is_asked_for_done_once_and_nothing_of_it_is_observed(farm: FarmDriver) -> None:
    row = ask()
    assert (state(row), messages()) == ((TrialState.WAITING, None), 1)
    lease = claimed(row)
    assert (lease.asks["asin"], lease.asks["profile"], claim(row)) == (ASINS[0], profile(), None)
    assert trials.finish_trial(lease=lease, code=None, result={"fields": {"name": {"value": "Kettle"}}})
    assert not trials.finish_trial(lease=lease, code=Code.INTERNAL)
    done = get_try(shop_id(), row.id)
    assert (done.state, done.code, done.result) == (TrialState.DONE, None, {"fields": {"name": {"value": "Kettle"}}})
    assert db.session.scalar(select(func.count()).select_from(Observation)) == 0
    audited = db.session.scalars(select(AuditEvent.action).where(AuditEvent.action == "storefront.try")).all()
    assert len(audited) == 1


def test_a_try_reads_by_the_active_profile_a_version_or_one_that_is_sent(farm: FarmDriver) -> None:
    profiles.draft_version(actor=ACTOR, now=utc_now(), storefront_id=shop_id(), profile=profile(currency="EUR"))
    rows = [ask(), ask(version=2), ask(profile=profile(currency="GBP"))]
    assert [row.profile_version for row in rows] == [1, 2, None]
    assert [row.asks["profile"]["currency"] for row in rows] == ["USD", "EUR", "GBP"]


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({"storefront_id": 987654}, "STOREFRONT_NOT_FOUND"),
        ({"version": 9}, "PROFILE_VERSION_NOT_FOUND"),
    ],
)
def test_a_try_of_what_is_not_there_is_refused(farm: FarmDriver, about: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        ask(**about)
    assert (refused.value.code, count()) == (code, 0)


def test_an_inactive_storefront_is_not_tried(farm: FarmDriver) -> None:
    waiting = ask()
    save(is_active=False)
    with pytest.raises(Refusal) as refused:
        ask()
    assert (refused.value.code, count()) == ("STOREFRONT_INACTIVE", 1)
    assert claim(waiting) is None
    assert state(waiting) == (TrialState.FAILED, Code.CANCELLED)


def test_no_more_than_ten_tries_of_a_storefront_wait(farm: FarmDriver) -> None:
    rows = [ask() for _ in range(trials.OPEN_MOST)]
    with pytest.raises(Refusal) as refused:
        ask()
    assert (refused.value.code, count()) == ("TOO_MANY_TRIALS", trials.OPEN_MOST)
    ask(storefront_id=farm.storefront("other").id)
    end_trial(rows[0].id, {})
    ask()


def test_a_try_takes_its_place_in_the_storefronts_pace_like_a_task(farm: FarmDriver) -> None:
    save(profile=profile(pace={"gap_ms": 60_000, "concurrency": 8}))
    first, second = ask(), ask()
    job = farm.submit()
    claimed(first)
    assert claim(second) is None
    assert state(second) == (TrialState.WAITING, None)
    db.session.rollback()
    wait_s = (db.session.get_one(Trial, second.id).not_before - utc_now()).total_seconds()
    assert 30 < wait_s <= 60
    farm.release()
    assert all(farm.claim(task_id) is None for task_id in farm.task_ids(job))


def test_tries_and_tasks_share_the_storefronts_concurrency(farm: FarmDriver) -> None:
    save(profile=profile(pace={"gap_ms": 0, "concurrency": 2}))
    job = farm.submit()
    farm.release()
    first, second, *_ = farm.task_ids(job)
    row, other = ask(), ask()
    lease = claimed(row)
    farm.leased(first)
    assert (farm.claim(second), claim(other)) == (None, None)
    assert trials.finish_trial(lease=lease, code=None)
    claimed(other)


def test_of_many_workers_one_gets_a_try(farm: FarmDriver, in_threads: Threads) -> None:
    row = ask()
    leases = in_threads([lambda: claim(row.id)] * 4)
    assert [lease is not None for lease in leases].count(True) == 1


def test_a_shop_that_asked_a_try_to_slow_down_is_left_alone_by_tasks(farm: FarmDriver) -> None:
    row = ask()
    assert trials.finish_trial(lease=claimed(row), code=Code.RATE_LIMITED, pause_s=600)
    db.session.rollback()
    paused = db.session.scalars(select(Storefront.paused_until)).one()
    assert paused is not None
    assert paused - utc_now() > timedelta(seconds=500)


def test_a_try_that_is_blocked_counts_among_the_blocks_in_a_row(farm: FarmDriver) -> None:
    assert trials.finish_trial(lease=claimed(ask()), code=Code.BLOCKED)
    db.session.rollback()
    assert db.session.scalars(select(Storefront.blocks)).one() == 1
    assert trials.finish_trial(lease=claimed(ask()), code=None)
    db.session.rollback()
    assert db.session.scalars(select(Storefront.blocks)).one() == 0


def test_a_try_whose_message_or_worker_is_lost_comes_to_an_end(farm: FarmDriver) -> None:
    unheard, lost, overdue, fine = ask(), ask(), ask(), ask()
    doorbell().redis.delete(doorbell().queue(TRIALS).key)
    lease = claimed(lost)
    claimed(fine)
    now = utc_now()
    change(unheard, rung_at=now - timedelta(minutes=1))
    change(lost, leased_until=now - timedelta(seconds=1))
    change(overdue, created_at=now - timedelta(hours=2))
    assert look_after_trials(patience_s=5) == 3
    assert messages() == 1
    assert [state(row) for row in (unheard, lost, overdue, fine)] == [
        (TrialState.WAITING, None),
        (TrialState.FAILED, Code.WORKER_LOST),
        (TrialState.FAILED, Code.DEADLINE),
        (TrialState.RUNNING, None),
    ]
    assert not trials.finish_trial(lease=lease, code=None)
    assert look_after_trials(patience_s=5) == 0


def test_a_running_try_keeps_its_lease_while_its_worker_renews_it(farm: FarmDriver) -> None:
    row = ask()
    lease = claimed(row)
    assert trials.renew_trial(lease=lease, lease_s=3600).held
    change(row, lease_token="f" * 32)
    assert not trials.renew_trial(lease=lease, lease_s=3600).held


def test_a_result_that_is_too_large_is_not_kept(farm: FarmDriver) -> None:
    row = ask()
    trials.finish_trial(lease=claimed(row), code=None, result={"text": "x" * trials.RESULT_BYTES})
    assert state(row) == (TrialState.FAILED, Code.INTERNAL)
    assert get_try(shop_id(), row.id).result is None


def test_what_a_page_says_cannot_break_the_record(farm: FarmDriver) -> None:
    row = ask()
    trials.finish_trial(lease=claimed(row), code=Code.INTERNAL, detail="a\0b\ud800" + "x" * 5000)
    assert get_try(shop_id(), row.id).detail == "ab?" + "x" * 1996


def test_expired_tries_are_shown_to_nobody_and_go_with_their_files(farm: FarmDriver) -> None:
    old, kept, running = ask(), ask(), ask()
    for row in (old, kept):
        end_trial(row.id, {}, screenshot=b"a picture")
    claimed(running)
    for row in (old, running):
        change(row, expires_at=utc_now() - timedelta(seconds=1))
    old_id, kept_id = old.id, kept.id
    with pytest.raises(Refusal):
        get_try(shop_id(), old_id)
    assert (purge_trials(), count()) == (1, 2)
    assert evidence_store().size(screenshot_of(kept_id)) == 9
    with pytest.raises(FileNotFoundError):
        evidence_store().size(screenshot_of(old_id))


def test_no_more_than_some_hundred_tries_are_kept(farm: FarmDriver) -> None:
    first = ask().id
    end_trial(first, {})
    _many(like=first, number=KEPT_MOST)
    assert (purge_trials(), count()) == (1, KEPT_MOST)
    with pytest.raises(Refusal):
        get_try(shop_id(), first)


@in_transaction
def _many(*, like: int, number: int) -> None:
    row = db.session.get_one(Trial, like)
    values = {column.key: getattr(row, column.key) for column in table_of(Trial).columns if column.key != "id"}
    db.session.add_all([Trial(**values) for _ in range(number)])


def test_a_try_is_asked_for_and_shown_by_api(client: FlaskClient, auth_headers: dict[str, str]) -> None:
    made = client.post(
        "/api/v1/storefronts", json={"code": "shop", "name": "Shop", "profile": profile()}, headers=auth_headers
    ).get_json()
    url = f"/api/v1/storefronts/{made['id']}"
    both = {"asin": ASINS[0], "version": 1, "profile": profile()}
    for wrong, pointer in (
        ({"asin": "?"}, "/asin"),
        (both, "/profile"),
        ({"asin": ASINS[0], "version": 0}, "/version"),
    ):
        answer = client.post(f"{url}/try", json=wrong, headers=auth_headers)
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, pointer)
    assert client.get(f"{url}/tries", headers=auth_headers).get_json()["items"] == []
    asked = client.post(f"{url}/try", json={"asin": ASINS[0].lower()}, headers=auth_headers)
    assert (asked.status_code, asked.headers["Location"]) == (202, f"{url}/tries/{asked.get_json()['id']}")
    assert {name: asked.get_json()[name] for name in ("state", "asin", "profile_version", "screenshot")} == {
        "state": "WAITING", "asin": ASINS[0], "profile_version": 1, "screenshot": None
    }  # fmt: skip
    id_ = asked.get_json()["id"]
    assert client.get(f"{url}/tries/{id_}/screenshot", headers=auth_headers).status_code == 404
    with client.application.app_context():
        end_trial(id_, {"fields": {"name": {"value": "Kettle"}}}, screenshot=b"a picture")
    done = client.get(f"{url}/tries/{id_}", headers=auth_headers).get_json()
    assert (done["state"], done["result"]["fields"]["name"]["value"]) == ("DONE", "Kettle")
    picture = client.get(done["screenshot"], headers=auth_headers)
    assert (picture.data, picture.content_type) == (b"a picture", "image/jpeg")
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"/api/v1/storefronts/987654/tries/{id_}", headers=auth_headers).status_code == 404

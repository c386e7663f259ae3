"""Ending the cool-down of a storefront by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import database_now, utc_now
from app.core.transactions import in_transaction
from app.rpa.errors import StorefrontNotCooling, StorefrontNotFound
from app.rpa.models.jobs import Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import TaskOutcome
from app.rpa.services.cooldowns import end_cooldown
from app.rpa.services.outcomes import finish_task
from tests.rpa.conftest import SUCCESS, FarmDriver
from tests.servers import on_sqlite

SYSTEM = permissions.system()


def shop() -> Storefront:
    db.session.rollback()
    return db.session.scalars(select(Storefront).execution_options(populate_existing=True)).one()


@in_transaction
def cool_down(*, seconds: float = 3600) -> int:
    """Let the storefront have blocked five visits, so that it cools down for so long."""
    until = database_now(db.session(), plus_s=seconds)
    db.session.execute(update(Storefront).values(blocks=5, cooldown_s=60, cooldown_until=until))
    return db.session.scalars(select(Storefront.id)).one()


@in_transaction
def make_due() -> None:
    """Let what waits to be tried again wait no longer."""
    db.session.execute(update(Task).values(not_before=utc_now() - timedelta(seconds=1)))


def audited() -> list[AuditEvent]:
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.action == "storefront.end_cooldown")))


def test_the_next_task_probes_alone_and_a_good_probe_ends_it(farm: FarmDriver) -> None:
    shop_id = cool_down()
    job = farm.submit()
    assert farm.release() == 0
    end_cooldown(actor=SYSTEM, storefront_id=shop_id)
    assert farm.release() >= 1
    first, *others = farm.task_ids(job)
    probe = farm.leased(first)
    farm.release()
    assert TaskState.QUEUED in [farm.task(task_id).state for task_id in others]
    assert [farm.claim(task_id) for task_id in others] == [None] * len(others)
    assert finish_task(lease=probe, outcome=SUCCESS)
    assert (shop().blocks, shop().cooldown_s, shop().cooldown_until) == (0, 0, None)


def test_a_blocked_probe_cools_it_down_for_twice_as_long(farm: FarmDriver) -> None:
    shop_id = cool_down()
    job = farm.submit()
    end_cooldown(actor=SYSTEM, storefront_id=shop_id)
    farm.release()
    assert finish_task(lease=farm.leased(farm.task_ids(job)[0]), outcome=TaskOutcome(Code.BLOCKED))
    assert (shop().blocks, shop().cooldown_s) == (6, 120)
    make_due()
    assert farm.release() == 0


def test_it_is_audited_once_and_asking_again_changes_nothing(farm: FarmDriver) -> None:
    shop_id = cool_down()
    ended = end_cooldown(actor=SYSTEM, storefront_id=shop_id).cooldown_until
    again = end_cooldown(actor=SYSTEM, storefront_id=shop_id)
    assert (again.cooldown_until, again.blocks, again.version) == (ended, 5, 1)
    (event,) = audited()
    assert event.before is not None
    assert event.after is not None
    assert event.before["cooldown_until"] > event.after["cooldown_until"]


def test_what_does_not_cool_down_is_refused_and_left_alone(farm: FarmDriver) -> None:
    shop_id = shop().id
    db.session.rollback()
    with pytest.raises(StorefrontNotCooling):
        end_cooldown(actor=SYSTEM, storefront_id=shop_id)
    with pytest.raises(StorefrontNotFound):
        end_cooldown(actor=SYSTEM, storefront_id=shop_id + 1000)
    assert (shop().blocks, shop().cooldown_until, audited()) == (0, None, [])


@on_sqlite
def test_it_is_ended_over_the_api(farm: FarmDriver, client: FlaskClient, auth_headers: dict[str, str]) -> None:
    def ask() -> Any:
        return client.post(f"/api/v1/storefronts/{shop_id}/end-cooldown", headers=auth_headers)

    shop_id = shop().id
    db.session.rollback()
    assert (ask().status_code, ask().get_json()["code"]) == (409, "STOREFRONT_NOT_COOLING")
    cool_down()
    told = ask()
    assert (told.status_code, told.get_json()["waits"], told.headers["ETag"]) == (200, None, '"v1"')
    (event,) = audited()
    assert event.actor_kind == "user"


@on_sqlite
def test_it_is_ended_from_the_command_line(farm: FarmDriver, app: Flask) -> None:
    run = app.test_cli_runner().invoke
    refused = run(args=["storefront", "end-cooldown", "shop"])
    assert (refused.exit_code, "does not cool down" in refused.output) == (1, True)
    cool_down()
    assert "COOLDOWN" in run(args=["storefront", "politeness", "shop"]).output
    shown = run(args=["storefront", "end-cooldown", "shop"])
    assert (shown.exit_code, "COOLDOWN" in shown.output) == (0, False)
    assert run(args=["storefront", "end-cooldown", "nowhere"]).exit_code == 1

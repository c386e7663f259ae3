"""Runs of reports: a slot is fired once, a run is done once, and mailed to who may read its figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from app.analytics.errors import ReportNotYours, ReportRunOpen
from app.analytics.models.reports import Report, ReportRun, ReportState
from app.analytics.queries import report_kinds, report_mailing
from app.analytics.services import report_firing, report_runs, report_upkeep, reports
from app.analytics.services.report_runs import NoPicture, run_report
from app.auth.models import RolePermission, User, UserRole
from app.core import outbox, personal_data
from app.core.extensions import db
from app.core.files import file_store
from app.core.orm import database_now, utc_now
from app.core.outbox import Outbox
from app.core.permissions import CATALOGUE, Principal
from app.core.transactions import in_transaction
from tests.analytics.facts import record, sale
from tests.analytics.report_people import ANALYST, READER, Someone, add_someone
from tests.auth.conftest import Mails, mails, smtp, worker
from tests.concurrency import at_once
from tests.mailing import MailServer, deliver
from tests.servers import on_sqlite

__all__ = ["mails", "smtp", "worker"]  # fixtures

PNG = b"\x89PNG\r\n\x1a\n and so on"
DAILY = {"rhythm": "daily", "hour": 7, "weekday": None, "month_day": None, "timezone": "Europe/Berlin"}
HOUR = timedelta(hours=1)


def no_picture(_drawing: dict[str, Any]) -> bytes:
    raise NoPicture("There is no browser here.")


def draw(drawing: dict[str, Any]) -> bytes:
    assert drawing["rows"]
    return PNG


@pytest.fixture
def me(app: Flask) -> Someone:
    """Who makes the reports."""
    return add_someone(app, "me@example.org", ANALYST)


def principal(someone: Someone) -> Principal:
    name = someone.email
    return Principal(kind="user", id=someone.id, user_id=someone.id, name=name, permissions=frozenset(CATALOGUE))


def make(me: Someone, *, to: tuple[int, ...] = (), late: timedelta | None = None, **changes: Any) -> int:
    """A daily report, whose next slot was due ``late`` ago."""
    about: dict[str, Any] = {"name": "Days", "kind": "sales_by_day", "period": "last_days", "days": 7, "filters": {}}
    made = reports.create_report(actor=principal(me), recipients=to, **about | {"schedule": DAILY} | changes)
    if late is not None:
        move(made.id, late)
    return made.id


def move(report_id: int, late: timedelta) -> datetime:
    """Let a report's oldest slot that nobody looked at be the last one of so long ago; that slot."""
    timing = db.session.get_one(Report, report_id).timing
    assert timing is not None
    due = timing.latest(database_now(db.session()) - late)
    assert due is not None
    db.session.execute(update(Report).where(Report.id == report_id).values(next_at=due))
    db.session.commit()
    return due


def runs(report_id: int) -> list[ReportRun]:
    db.session.rollback()
    mine = select(ReportRun).where(ReportRun.report_id == report_id).order_by(ReportRun.id)
    return list(db.session.scalars(mine.execution_options(populate_existing=True)))


def asked(kind: str) -> int:
    return len(list(db.session.scalars(select(Outbox.id).where(Outbox.kind == kind))))


def started(me: Someone, **about: Any) -> int:
    """A run that waits."""
    report_id = make(me, **about)
    return report_firing.run_now(actor=principal(me), report_id=report_id).id


def run_of(run_id: int) -> ReportRun:
    db.session.rollback()
    return db.session.get_one(ReportRun, run_id, populate_existing=True)


def test_however_many_dispatchers_look_a_slot_is_fired_once(context: Flask, me: Someone) -> None:
    report_id = make(me, late=HOUR)
    answers = at_once(context, *[partial(report_firing.fire, report_id=report_id)] * 4)
    assert sorted(answers) == [False, False, False, True]
    assert [run.state for run in runs(report_id)] == [ReportState.WAITING]
    assert asked(report_firing.RUN) == 1
    assert report_firing.fire_due() == 0


def test_slots_that_were_missed_are_caught_up_by_one_run(context: Flask, me: Someone) -> None:
    report_id = make(me, schedule=DAILY | {"timezone": "UTC"})
    move(report_id, timedelta(days=4))
    assert report_firing.fire_due() == 1
    (run,) = runs(report_id)
    row = db.session.get_one(Report, report_id)
    now = database_now(db.session())
    assert row.timing is not None
    assert (run.missed_count, run.slot_at, row.next_at) == (4, row.timing.latest(now), row.timing.after(now))


def test_a_slot_comes_once_on_the_days_on_which_the_clocks_change(context: Flask, me: Someone) -> None:
    report_id = make(me, schedule=DAILY | {"hour": 2})
    timing = db.session.get_one(Report, report_id).timing
    assert timing is not None
    spring, autumn = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert timing.after(spring) == datetime(2026, 3, 29, 1, tzinfo=UTC)  # 2 o'clock is left out: the end of the gap
    assert timing.after(timing.after(spring)) == datetime(2026, 3, 30, 0, tzinfo=UTC)
    assert timing.after(autumn) == datetime(2026, 10, 25, 0, tzinfo=UTC)  # it comes twice: its first coming
    assert timing.after(timing.after(autumn)) == datetime(2026, 10, 26, 1, tzinfo=UTC)


def test_a_slot_that_comes_while_a_run_is_open_is_noted_and_not_run(context: Flask, me: Someone) -> None:
    report_id = make(me)
    report_firing.run_now(actor=principal(me), report_id=report_id)
    move(report_id, HOUR * 24)
    report_firing.fire_due()
    assert [(run.state, run.code) for run in runs(report_id)] == [("WAITING", None), ("FAILED", "RUN_OPEN")]
    with pytest.raises(ReportRunOpen):
        report_firing.run_now(actor=principal(me), report_id=report_id)


def test_asked_twice_at_once_it_runs_once(context: Flask, me: Someone) -> None:
    report_id = make(me)
    deed = partial(report_firing.run_now, actor=principal(me), report_id=report_id)
    answers = at_once(context, deed, deed)
    assert sorted(isinstance(answer, ReportRunOpen) for answer in answers) == [False, True]
    assert len(runs(report_id)) == 1


def test_two_workers_with_the_same_run_end_it_once(context: Flask, me: Someone) -> None:
    run_id = started(me, to=(me.id,))
    at_once(context, *[partial(run_report, run_id=run_id, take_picture=no_picture)] * 2)
    run = run_of(run_id)
    assert (run.state, run.mailed_count, run.detail) == ("DONE", 1, "There is no browser here.")
    assert asked(report_mailing.MAIL) == 1
    assert len(file_store().files(run.folder or "")) == 1


def test_a_report_that_is_deleted_while_it_runs_mails_nothing_and_leaves_no_files(context: Flask, me: Someone) -> None:
    run_id = started(me, to=(me.id,))
    report_id = run_of(run_id).report_id
    made: list[str] = []

    def delete_meanwhile(_drawing: dict[str, Any]) -> bytes:
        made.extend(file_store().names("reports"))
        reports.delete_report(actor=principal(me), report_id=report_id, expected_version=1)
        return PNG

    record(facts=[sale(utc_now() - timedelta(days=2))])
    before = set(file_store().names("reports"))
    run_report(run_id=run_id, take_picture=delete_meanwhile)
    assert asked(report_mailing.MAIL) == 0
    assert set(made) - before
    assert set(file_store().names("reports")) <= before
    assert runs(report_id) == []


def test_a_run_whose_worker_was_lost_is_done_by_the_next(context: Flask, me: Someone) -> None:
    run_id = started(me)
    db.session.execute(update(ReportRun).values(state=ReportState.RUNNING, token="somebody who died"))
    db.session.commit()
    run_report(run_id=run_id, take_picture=no_picture)
    assert run_of(run_id).state == ReportState.DONE


@on_sqlite
def test_figures_come_with_a_chart_and_all_rows_as_csv(app: Flask, me: Someone, mails: Mails) -> None:
    with app.app_context():
        other = add_someone(app, "other@example.org", READER)
        record(facts=[sale(utc_now() - timedelta(days=2), name="=cmd()", gross_minor=1250)])
        run_id = started(me, to=(me.id, other.id), name="Last week's days")
        run_report(run_id=run_id, take_picture=draw)
        run = run_of(run_id)
        assert (run.state, run.row_count, run.mailed_count, run.has_picture) == ("DONE", 7, 2, True)
    received = mails()
    assert sorted(mail.recipients[0] for mail in received) == ["me@example.org", "other@example.org"]
    message = received[0].message
    assert message["Subject"] == "Last week's days"
    files = {str(part.get_filename()): part for part in message.walk() if part.get_filename()}
    (name,) = [each for each in files if each.endswith(".csv")]
    content = files[name].get_payload(decode=True)
    assert isinstance(content, bytes)
    lines = content.decode().splitlines()
    assert lines[0].startswith("from,currency,net,orders,units")
    assert any("12.50" in line for line in lines[1:])
    assert len(lines) == 8
    assert files["chart.png"].get_payload(decode=True) == PNG
    assert files["chart.png"]["Content-ID"] == "<chart>"
    assert 'src="cid:chart"' in received[0].part("html")
    assert f"/admin/reports/{run.report_id}" in received[0].part("plain")


@on_sqlite
def test_without_a_browser_the_mail_goes_without_a_chart_and_says_so(app: Flask, me: Someone, mails: Mails) -> None:
    with app.app_context():
        record(facts=[sale(utc_now() - timedelta(days=2))])
        run_report(run_id=started(me, to=(me.id,)), take_picture=no_picture)
    (mail,) = mails()
    assert "This mail has no chart. There is no browser here." in mail.part("plain")
    assert "cid:" not in mail.part("html")


@on_sqlite
def test_who_has_lost_the_permission_gets_none_and_the_owner_is_told(app: Flask, me: Someone, mails: Mails) -> None:
    other = add_someone(app, "other@example.org", READER)
    with app.app_context():
        run_id = started(me, to=(me.id, other.id))
        _take(other, "sales:read")
        run_report(run_id=run_id, take_picture=no_picture)
        assert (run_of(run_id).mailed_count, run_of(run_id).withheld_count) == (1, 1)
    received = {(mail.recipients[0], mail.message["Subject"]) for mail in mails()}
    told = "Your report was not sent to everybody: Days"
    assert received == {("me@example.org", "Days"), ("me@example.org", told)}


@on_sqlite
def test_who_loses_it_after_the_run_gets_none_either(app: Flask, me: Someone, mails: Mails) -> None:
    other = add_someone(app, "other@example.org", READER)
    with app.app_context():
        run_report(run_id=started(me, to=(other.id,)), take_picture=no_picture)
        _take(other, "reports:read")
    assert mails() == []


@on_sqlite
def test_a_report_whose_owner_may_not_read_it_any_more_is_paused_and_sent_to_nobody(
    app: Flask, me: Someone, mails: Mails
) -> None:
    other = add_someone(app, "other@example.org", READER)
    with app.app_context():
        run_id = started(me, to=(other.id,))
        _take(me, "sales:read")
        run_report(run_id=run_id, take_picture=no_picture)
        run = run_of(run_id)
        assert (run.state, run.code) == ("FAILED", "OWNER_MAY_NOT")
        assert db.session.get_one(Report, run.report_id).next_at is None
    assert [(mail.recipients[0], mail.message["Subject"]) for mail in mails()] == [
        ("me@example.org", "Your report was not made: Days")
    ]


@on_sqlite
def test_who_wants_no_mails_of_reports_gets_none(app: Flask, me: Someone, mails: Mails) -> None:
    with app.app_context():
        db.session.execute(update(User).where(User.id == me.id).values(notifications={"reports": False}))
        db.session.commit()
        run_report(run_id=started(me, to=(me.id,)), take_picture=no_picture)
    assert mails() == []


@on_sqlite
def test_what_a_query_refuses_fails_the_run_and_the_owner_is_told(app: Flask, me: Someone, mails: Mails) -> None:
    with app.app_context():
        about = {"kind": "price_index", "filters": {"storefront": "gone"}}
        run_id = _refused(me, about)
        assert (run_of(run_id).state, run_of(run_id).code) == ("FAILED", "STOREFRONT_UNKNOWN")
    (mail,) = mails()
    assert "There is no such storefront." in mail.part("plain")


def _refused(me: Someone, about: dict[str, Any]) -> int:
    role_id = db.session.scalars(select(UserRole.role_id).where(UserRole.user_id == me.id)).one()
    db.session.add(RolePermission(role_id=role_id, permission="jobs:read"))
    db.session.commit()
    run_id = started(me, **about)
    run_report(run_id=run_id, take_picture=no_picture)
    return run_id


@on_sqlite
def test_a_fault_of_ours_fails_the_run_once_and_for_all(
    app: Flask, me: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_about: object) -> Any:
        raise ZeroDivisionError

    with app.app_context():
        run_id = started(me)
        monkeypatch.setattr(report_runs, "read_figures", broken)
        run_report(run_id=run_id, take_picture=no_picture)
        assert (run_of(run_id).state, run_of(run_id).code) == ("FAILED", "INTERNAL")


@on_sqlite
def test_more_rows_than_a_report_has_are_cut_off_and_the_mail_says_so(
    app: Flask, me: Someone, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        monkeypatch.setattr("app.analytics.rules.report_tables.MAX_ROWS", 3)
        run_id = started(me, to=(me.id,))
        run_report(run_id=run_id, take_picture=no_picture)
        assert (run_of(run_id).row_count, run_of(run_id).is_cut) == (3, True)
    (mail,) = mails()
    assert "cut off" in mail.part("plain")


@on_sqlite
def test_old_files_lost_runs_and_files_without_a_run_are_cleared_away(app: Flask, me: Someone) -> None:
    with app.app_context():
        lost, old = started(me), started(me)
        run_report(run_id=old, take_picture=no_picture)
        folder = run_of(old).folder
        later = utc_now() + timedelta(days=91)
        assert folder is not None
        report_upkeep.purge_reports(now=later)
        assert (run_of(lost).code, run_of(old).folder) == ("LOST", None)
        assert folder.partition("/")[2] not in file_store().names("reports")


@on_sqlite
def test_who_is_erased_leaves_no_reports_and_gets_none(app: Flask, me: Someone) -> None:
    other = add_someone(app, "other@example.org", ANALYST)
    with app.app_context():
        mine, theirs = make(me), make(other, to=(me.id, other.id))
        assert [row["id"] for row in personal_data.export(me.id)["reports"]] == [mine]
        in_transaction(partial(report_upkeep.erase_person, me.id))()
        db.session.rollback()
        left = db.session.scalars(select(Report)).all()
        assert [(row.id, row.recipients) for row in left] == [(theirs, [other.id])]


def _take(someone: Someone, permission: str) -> None:
    roles = select(UserRole.role_id).where(UserRole.user_id == someone.id)
    db.session.execute(
        delete(RolePermission).where(RolePermission.role_id.in_(roles), RolePermission.permission == permission)
    )
    db.session.commit()


@on_sqlite
def test_a_mail_that_does_not_get_through_is_told_and_tried_again(
    app: Flask, worker: Flask, me: Someone, smtp: MailServer
) -> None:
    other = add_someone(app, "other@example.org", READER)
    with app.app_context():
        run_id = started(me, to=(me.id, other.id))
        run_report(run_id=run_id, take_picture=no_picture)
        report_id = run_of(run_id).report_id
        assert report_mailing.list_failed_mails(principal(me), report_id, run_id) == []
    smtp.refused.add("other@example.org")
    with pytest.raises(SMTPRecipientsRefused):
        deliver(worker)
    assert [mail.recipients for mail in smtp.received] == [["me@example.org"]]
    with app.app_context():
        (failed,) = report_mailing.list_failed_mails(principal(me), report_id, run_id)
        assert (failed.user_id, failed.attempts, failed.is_given_up) == (other.id, 1, False)
        assert failed.reason == "The mail server does not take mail for this address."
        assert failed.next_at is not None
        with pytest.raises(ReportNotYours):
            report_firing.mail_again(actor=principal(other), report_id=report_id, run_id=run_id)
        db.session.execute(update(Outbox).where(Outbox.last_error.is_not(None)).values(attempts=outbox.MAX_ATTEMPTS))
        db.session.commit()
        (given_up,) = report_mailing.list_failed_mails(principal(me), report_id, run_id)
        assert (given_up.is_given_up, given_up.next_at) == (True, None)
    smtp.refused.clear()
    deliver(worker)
    assert len(smtp.received) == 1
    with app.app_context():
        assert report_firing.mail_again(actor=principal(me), report_id=report_id, run_id=run_id) == 1
    deliver(worker)
    assert [mail.recipients for mail in smtp.received] == [["me@example.org"], ["other@example.org"]]
    with app.app_context():
        assert report_mailing.list_failed_mails(principal(me), report_id, run_id) == []
        assert report_firing.mail_again(actor=principal(me), report_id=report_id, run_id=run_id) == 0


def test_a_mail_of_another_run_is_not_among_those_of_a_run(context: Flask, me: Someone) -> None:
    report_id = make(me, to=(me.id,))
    ids = []
    for _ in range(11):  # keys of run 1 and of run 10 begin alike
        ids.append(report_firing.run_now(actor=principal(me), report_id=report_id).id)
        run_report(run_id=ids[-1], take_picture=no_picture)
    db.session.execute(update(Outbox).values(last_error="SMTPServerDisconnected: gone", attempts=2))
    db.session.commit()
    for run_id in ids:
        found = report_mailing.list_failed_mails(principal(me), report_id, run_id)
        assert [(mail.run_id, mail.attempts) for mail in found] == [(run_id, 2)]
        assert found[0].reason == "The mail server could not be reached, or did not take the mail."
    assert report_firing.mail_again(actor=principal(me), report_id=report_id, run_id=ids[0]) == 1


@on_sqlite
def test_every_kind_gives_what_its_columns_say(app: Flask) -> None:
    from app.analytics.rules.report_periods import period_on
    from app.analytics.rules.report_tables import csv_of

    with app.app_context():
        record(facts=[sale(utc_now() - timedelta(days=2), gross_minor=1250)])
        for kind in report_kinds.KINDS:
            table = report_kinds.read_figures(kind, period_on("this_year", None, today=utc_now().date()), {})
            assert csv_of(table).count(b"\n") == len(table.rows) + 1

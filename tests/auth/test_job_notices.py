"""The mail about the end of a job: to who submitted it and wants it, once, and to nobody else."""

from __future__ import annotations

from typing import Any

from flask import Flask

from app.core import permissions
from app.rpa.models.jobs import Action
from app.rpa.services import controlling, ending, preparing, submitting
from tests.auth.conftest import Mails
from tests.auth.staff import Member, hire
from tests.rpa.conftest import ASINS, FarmDriver, stock_master


def end_a_job(app: Flask, owner: Member | None) -> None:
    """Let somebody (the system) submit a job, cancel it, and let the dispatcher end it."""
    with app.app_context():
        actor = permissions.system()
        if owner is not None:
            actor = permissions.Principal(kind="user", id=owner.id, name="", permissions=frozenset())
        job = submitting.submit_job(
            actor=actor, action=Action.VIEW_PRODUCT, storefront="shop", name="Évery <b>\nday", asins=ASINS
        )
        preparing.prepare_job(job_id=job.id)
        controlling.cancel_job(actor=actor, job_id=job.id)
        assert ending.end_open_tasks() == len(ASINS)
        assert (ending.finish_jobs(), ending.finish_jobs()) == (1, 0)


def test_who_wants_to_know_is_told_once_and_nobody_else(app: Flask, mails: Mails) -> None:
    with app.app_context():
        stock_master()
        FarmDriver(app).storefront()
    wants, does_not, closed = (hire(app, name, ["jobs:read"]) for name in ("wants", "not", "closed"))
    wish: dict[str, Any] = {"notifications": {"jobs": True}}
    assert [who.patch("/me", wish, 1).status_code for who in (wants, closed)] == [200, 200]
    root = hire(app, "root", role="admin")
    assert root.patch(f"/users/{closed.id}", {"is_active": False}, 2).status_code == 200
    for owner in (None, does_not, closed):
        end_a_job(app, owner)
    assert mails() == []
    end_a_job(app, wants)
    (mail,) = mails()
    assert mail.recipients == ["wants@example.org"]
    assert "Évery <b>" in mail.part("plain")
    assert "cancelled: 5" in mail.part("plain")
    assert "Évery &lt;b&gt;" in mail.part("html")
    assert mails() == []

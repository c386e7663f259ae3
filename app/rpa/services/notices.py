"""The mail that tells somebody who wants to know that a job of theirs has ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from app.auth import preferences
from app.auth.models import User
from app.core import mail, outbox
from app.core.extensions import db
from app.rpa.models.jobs import BATCH, Job, JobState
from app.rpa.queries.jobs import outcomes


def request_job_notices(about_to_end: ColumnElement[bool]) -> None:
    """Ask, in the open transaction, for the mails about the jobs of people that this condition meets."""
    of_people = select(Job.id).where(about_to_end, Job.lane == BATCH, Job.actor_kind == "user").with_for_update()
    for job_id in db.session.scalars(of_people).all():
        outbox.add("mail_job_ended", key=f"mail_job_ended:{job_id}", job_id=job_id)


def send_job_ended(*, job_id: int, now: datetime) -> None:
    """Tell who submitted the job how it ended; nothing to who does not want to know or is not active."""
    job = db.session.get(Job, job_id)
    user = None if job is None else db.session.get(User, job.actor_id)
    if job is None or user is None or not user.is_active or not preferences.wants(user.notifications, "jobs"):
        return
    to, values = user.email, _values(job, user)
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    mail.send_mail(to, f"Job {job_id} has ended", "job_ended", date=now, **values)


def _values(job: Job, user: User) -> dict[str, Any]:
    counts = {name.lower(): count for name, count in outcomes(job).items() if count}
    clean = job.state == JobState.COMPLETED
    return {"name": user.name, "job": job.name, "number": job.id, "clean": clean, "state": job.state, "counts": counts}

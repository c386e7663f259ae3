"""What the API of workers takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, PageArguments, page_of
from app.rpa.models.jobs import Action
from app.rpa.models.workers import Wanted, WorkerState

_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER = {"examples": ["2026-11-21T10:04:30.000000Z"]}
_HOST = {"examples": ["farm-2"]}
_TASK = {"id": 73, "job_id": 5, "action": "view-product", "asin": "B0CW1A0001", "since": "2026-11-21T10:04:30.000000Z"}


class WorkerArguments(PageArguments):
    """Which workers to list."""

    host = fields.String(load_default=None, validate=validate.Length(max=255), metadata=_HOST)
    is_alive = fields.Boolean(
        load_default=None, metadata={"description": "Only those that are heard of, or only those that are gone"}
    )


class AtWorkSchema(Schema):
    """The task that a worker holds."""

    id = fields.Integer(metadata={"examples": [73]})
    job_id = fields.Integer(metadata={"examples": [5]})
    action = fields.String(
        validate=validate.OneOf([action.value for action in Action]), metadata={"examples": ["view-product"]}
    )
    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    since = Instant(metadata=_LATER)


class WorkerBrowserSchema(Schema):
    """One warm browser of a worker."""

    storefront = fields.String(
        allow_none=True, metadata={"description": "Code; null where it is deleted", "examples": ["my-shop"]}
    )
    version = fields.String(metadata={"examples": ["HeadlessChrome/150.0.7100.0"]})
    started_at = Instant(metadata=_WHEN)
    visits = fields.Integer(metadata={"description": "Fresh contexts that it has served", "examples": [412]})


class WorkerSchema(Schema):
    """One worker process."""

    id = fields.Integer(metadata={"examples": [12]})
    name = fields.String(metadata={"examples": ["farm-2:4711:0a1b2c3d"]})
    host = fields.String(metadata=_HOST)
    pid = fields.Integer(metadata={"examples": [4711]})
    state = fields.String(
        validate=validate.OneOf([state.value for state in WorkerState]),
        metadata={
            "description": "draining: it finishes its task; drained: it waits until it is resumed; lost: not heard of "
            "for WORKER_SILENT_S seconds",
            "examples": ["busy"],
        },
    )
    wanted = fields.String(
        validate=validate.OneOf([wanted.value for wanted in Wanted]),
        metadata={"description": "What it was told; it hears of it with its next heartbeat", "examples": ["work"]},
    )
    started_at = Instant(metadata=_WHEN)
    heartbeat_at = Instant(metadata=_LATER)
    stopped_at = Instant(allow_none=True, metadata={"examples": [None]})
    task = fields.Nested(AtWorkSchema, allow_none=True, metadata={"examples": [_TASK]})
    browsers = fields.List(fields.Nested(WorkerBrowserSchema))
    visits = fields.Integer(
        attribute="vitals.visits",
        dump_default=0,
        metadata={"description": "Tasks that it began since its start", "examples": [1210]},
    )
    succeeded = fields.Integer(attribute="vitals.succeeded", dump_default=0, metadata={"examples": [1190]})
    refused = fields.Integer(
        attribute="vitals.refused",
        dump_default=0,
        metadata={"description": "Attempts that the shop said no to", "examples": [12]},
    )
    failed = fields.Integer(
        attribute="vitals.failed", dump_default=0, metadata={"description": "Attempts that failed", "examples": [8]}
    )
    memory_bytes = fields.Integer(
        attribute="vitals.memory_bytes",
        dump_default=None,
        allow_none=True,
        metadata={
            "description": "Proportional set size of the worker and its browsers, weighed every 15 s",
            "examples": [412516352],
        },
    )
    versions = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        attribute="vitals.versions",
        dump_default=dict,
        metadata={"description": "Of what it runs on", "examples": [{"python": "3.12.3", "rq": "2.12.0"}]},
    )


WorkerPage = page_of(WorkerSchema)

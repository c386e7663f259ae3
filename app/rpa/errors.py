"""Refusals of the farm."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound, StaleVersion


class StorefrontNotFound(NotFound):
    """No storefront has this id or code."""

    code = "STOREFRONT_NOT_FOUND"


class StorefrontCodeTaken(Conflict):
    """Another storefront has this code."""

    code = "STOREFRONT_CODE_TAKEN"


class StorefrontInUse(Conflict):
    """A storefront that jobs refer to cannot be deleted."""

    code = "STOREFRONT_IN_USE"


class StorefrontStale(StaleVersion):
    """The storefront has changed since it was read."""

    code = "STALE_VERSION"


class JobNotFound(NotFound):
    """No job has this id."""

    code = "JOB_NOT_FOUND"


class JobFinished(Conflict):
    """The job has ended; nothing is left to cancel."""

    code = "JOB_FINISHED"


class TaskNotFound(NotFound):
    """No task has this id."""

    code = "TASK_NOT_FOUND"


class StorefrontUnknown(Invalid):
    """A request names a storefront that does not exist or is not active."""

    code = "STOREFRONT_UNKNOWN"


class NothingToDo(Invalid):
    """None of the named products can be visited."""

    code = "NOTHING_TO_DO"

"""Refusals of the farm."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import Conflict, Invalid, NotFound, StaleVersion, Unavailable


class StorefrontNotFound(NotFound):
    """No storefront has this id or code."""

    code = "STOREFRONT_NOT_FOUND"


class StorefrontCodeTaken(Conflict):
    """Another storefront has this code."""

    code = "STOREFRONT_CODE_TAKEN"


class MasterFollowsAnother(Conflict):
    """The product master follows one storefront at most, and that is another one."""

    code = "MASTER_FOLLOWS_ANOTHER"


class ObservedChangeNotFound(NotFound):
    """No flagged change has this id."""

    code = "OBSERVED_CHANGE_NOT_FOUND"


class ObservedChangeDecided(Conflict):
    """Somebody has accepted or dismissed the change already, or nobody was asked."""

    code = "OBSERVED_CHANGE_DECIDED"


class ObservedChangeOutdated(Conflict):
    """The storefront has been visited since, or the product is gone: accepting would write an old value."""

    code = "OBSERVED_CHANGE_OUTDATED"


class StorefrontInUse(Conflict):
    """A storefront that jobs refer to cannot be deleted."""

    code = "STOREFRONT_IN_USE"


class StorefrontStale(StaleVersion):
    """The storefront has changed since it was read."""

    code = "STALE_VERSION"


class ProfileVersionNotFound(NotFound):
    """The storefront has no version of its profile with this number."""

    code = "PROFILE_VERSION_NOT_FOUND"


class ProfileVersionActive(Conflict):
    """The version is what the farm visits the storefront by already."""

    code = "PROFILE_VERSION_ACTIVE"


class ProfileVersionLoses(Conflict):
    """A replay has shown that the version no longer reads what the active one reads; it needs a confirmation."""

    code = "PROFILE_VERSION_LOSES"


class ProfileVersionNotReplayed(Conflict):
    """A draft was not tried on the pages that are kept; it needs a replay or a confirmation."""

    code = "PROFILE_VERSION_NOT_REPLAYED"


class StorefrontInactive(Conflict):
    """Nothing visits a storefront that is not active."""

    code = "STOREFRONT_INACTIVE"


class ProfileVersionUsed(Conflict):
    """Only a draft can be deleted: what was ever active is what observations were read by."""

    code = "PROFILE_VERSION_USED"


class StorefrontNotCooling(Conflict):
    """The storefront does not cool down."""

    code = "STOREFRONT_NOT_COOLING"


class TrialNotFound(NotFound):
    """No try, suggestion or replay has this id, or none any more."""

    code = "TRIAL_NOT_FOUND"


class TooManyTrials(Conflict):
    """So many tries, suggestions and replays are open that one more has to wait."""

    code = "TOO_MANY_TRIALS"


class JobNotFound(NotFound):
    """No job has this id."""

    code = "JOB_NOT_FOUND"


class JobFinished(Conflict):
    """The job has ended; nothing of it can be changed."""

    code = "JOB_FINISHED"


class JobMoveRefused(Conflict):
    """A job in this state does not take this move."""

    code = "JOB_MOVE_REFUSED"

    def __init__(self, state: str, move: str, allowed: Sequence[str]) -> None:
        may = f"it can {' or '.join(allowed)}" if allowed else "nothing can be asked of it"
        super().__init__(f"A job that is {state} cannot {move}; {may}.")
        self.facts = {"state": str(state), "allowed": [str(move) for move in allowed]}


class JobStale(StaleVersion):
    """The job was changed since it was read."""

    code = "STALE_VERSION"


class JobNotEnded(Conflict):
    """Only of a job that has ended anything is retried."""

    code = "JOB_NOT_ENDED"


class NothingToRetry(Conflict):
    """No task of the job ended as what is to be retried."""

    code = "NOTHING_TO_RETRY"


class TaskNotFound(NotFound):
    """No task has this id."""

    code = "TASK_NOT_FOUND"


class WorkerNotFound(NotFound):
    """No worker has this id, or it is forgotten: it was not heard of for a day."""

    code = "WORKER_NOT_FOUND"


class WorkerGone(Conflict):
    """The worker has stopped or is not heard of any more; it will not hear either."""

    code = "WORKER_GONE"


class WorkerStopping(Conflict):
    """The worker was told to stop, which cannot be taken back."""

    code = "WORKER_STOPPING"


class EvidenceNotFound(NotFound):
    """Nothing, or nothing any more, is kept under this id."""

    code = "EVIDENCE_NOT_FOUND"


class EvidenceAway(Unavailable):
    """The store of evidence does not answer."""

    code = "EVIDENCE_AWAY"


class CartOptionsNotFound(NotFound):
    """The product has no options on this storefront."""

    code = "CART_OPTIONS_NOT_FOUND"


class CartOptionsStale(StaleVersion):
    """The options are others than those that were read, or there are some or none by now."""

    code = "STALE_VERSION"


class CartOptionsRefused(Invalid):
    """Options that the storefront's profile has no name for, or of products that are not there."""

    code = "CART_OPTIONS_REFUSED"


class StorefrontUnknown(Invalid):
    """A request names a storefront that does not exist or is not active."""

    code = "STOREFRONT_UNKNOWN"


class NothingToDo(Invalid):
    """None of the named products can be visited."""

    code = "NOTHING_TO_DO"


class ScheduleNotFound(NotFound):
    """No schedule has this id."""

    code = "SCHEDULE_NOT_FOUND"


class ScheduleStale(StaleVersion):
    """The schedule has changed since it was read."""

    code = "STALE_VERSION"


class ScheduleJobOpen(Conflict):
    """A schedule runs one job at a time, and its last one has not ended."""

    code = "SCHEDULE_JOB_OPEN"


class ScheduleJobRefused(Conflict):
    """The job of a schedule is refused as it would be at POST /jobs; the text says why."""

    code = "SCHEDULE_JOB_REFUSED"


class ScheduleTimezoneUnknown(Conflict):
    """The time zone of a schedule is not in this system's database of time zones any more."""

    code = "SCHEDULE_TIMEZONE_UNKNOWN"


class AlertRuleNotFound(NotFound):
    """No alert rule has this id."""

    code = "ALERT_RULE_NOT_FOUND"


class AlertScopeUnknown(Invalid):
    """An alert rule is to be about a category or a saved filter that does not exist."""

    code = "ALERT_SCOPE_UNKNOWN"


class AlertNotRecorded(Invalid):
    """There is no preview of an alert rule that does not look at recorded changes."""

    code = "ALERT_NOT_RECORDED"


class AlertRuleStale(StaleVersion):
    """The alert rule has changed since it was read."""

    code = "STALE_VERSION"


class TooManyAlertRules(Conflict):
    """There are as many alert rules as there may be."""

    code = "TOO_MANY_ALERT_RULES"


class AlertNotFound(NotFound):
    """No alert has this id."""

    code = "ALERT_NOT_FOUND"

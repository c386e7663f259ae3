"""RQ as the doorbell: registered names and ids only. SQL has the work; a lost or doubled message changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.config import Settings

INTERACTIVE: Final = "interactive"
TRIALS: Final = "trials"
BATCH: Final = "batch"
BACKGROUND: Final = "background"
TASK_QUEUES: Final = (INTERACTIVE, TRIALS, BATCH)
"""What the farm's workers serve, the most urgent first: an errand waits for no trial but those that run."""

MESSAGE_TTL_S: Final = 3600
JOB_TIMEOUT_S: Final = 3600
"""A backstop only: tasks have limits of their own, far below."""

log = logging.getLogger(__name__)


class UnknownJob(Exception):
    """A message names a function that is not registered; Redis write access must not mean code execution."""


class RegisteredJob(Job):
    """An RQ job that can only run what its worker has registered by name, never an importable path."""

    functions: dict[str, Callable[..., Any]] = {}

    @property
    def func(self) -> Callable[..., Any]:
        """The registered function; raises UnknownJob for any other name."""
        try:
            return self.functions[self.func_name or ""]
        except KeyError:
            raise UnknownJob(f"no job is registered as {self.func_name!r}") from None

    @property
    def success_callback(self) -> None:
        """None: a message's callbacks are importable paths, too."""

    @property
    def failure_callback(self) -> None:
        """None, likewise."""

    @property
    def stopped_callback(self) -> None:
        """None, likewise."""

    def send_webhooks(self, *_args: Any, **_kwargs: Any) -> None:
        """Send nothing: a message must not make a worker call an address either."""


class Doorbell:
    """Puts ids on queues with short timeouts and without retry: the dispatcher repeats what did not arrive."""

    def __init__(self, settings: Settings) -> None:
        self.redis = Redis.from_url(
            settings.redis_queue_url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
        )

    def queue(self, name: str) -> Queue:
        """The RQ queue of that name."""
        return Queue(name, connection=self.redis, serializer=JSONSerializer, job_class=RegisteredJob)

    def ring(self, queue: str, function: str, calls: Sequence[tuple[str, tuple[int | str, ...]]]) -> bool:
        """Enqueue many calls ``(job id, arguments)`` of one registered function in one round trip.

        Returns False, after logging, when Redis cannot be reached.
        """
        target = self.queue(queue)
        messages = [
            Queue.prepare_data(
                function, args, job_id=job_id, timeout=JOB_TIMEOUT_S, ttl=MESSAGE_TTL_S, result_ttl=0,
                failure_ttl=MESSAGE_TTL_S, description=function,
            )
            for job_id, args in calls
        ]  # fmt: skip
        try:
            with self.redis.pipeline(transaction=False) as pipe:
                target.enqueue_many(messages, pipeline=pipe)
                pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("queue %s cannot be reached: %s; the dispatcher will repeat %d", queue, error, len(calls))
            return False
        return True

    def held(self, messages: Sequence[tuple[str, str]]) -> list[bool]:
        """For each ``(queue, job id)`` whether the queue still holds its message; all True when Redis is away."""
        try:
            with self.redis.pipeline(transaction=False) as pipe:
                for queue, job_id in messages:
                    pipe.lpos(Queue.redis_queue_namespace_prefix + queue, job_id)
                return [position is not None for position in pipe.execute()]
        except (RedisError, OSError) as error:
            log.warning("queues cannot be read: %s", error)
            return [True] * len(messages)


def doorbell() -> Doorbell:
    """The doorbell of the current application."""
    bell: Doorbell = current_app.extensions["doorbell"]
    return bell

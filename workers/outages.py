"""What keeps a worker, and its warm browsers, when Redis goes away: RQ's own ends at most of its commands."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.utils import now

log = logging.getLogger(__name__)


class OutlivesRedis(SimpleWorker):
    """An RQ worker that waits for a Redis that is away, at one place: where it asks for the next message.

    Whatever else it tells Redis is for who looks at RQ's lists, and is left out meanwhile.
    """

    max_connection_wait_time = 5.0
    """Seconds between two looks for a Redis that is away; RQ's minute would be a minute without work after it."""

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:  # RQ's
        """The next message, waited for; RQ's own waits for refused connections, and ends where nothing is answered."""
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            except RedisError as error:
                log.error("no message can be had: %s; looking again in %g s", error, self.max_connection_wait_time)  # noqa: TRY400
                time.sleep(self.max_connection_wait_time)

    def execute_job(self, job: Job, queue: Queue) -> None:  # RQ's
        """Run a message; where Redis leaves meanwhile, the dispatcher repeats what was not done."""
        try:
            super().execute_job(job, queue)
        except RedisError as error:
            log.warning("Redis left message %s in the middle: %s", job.id, error)

    def run_maintenance_tasks(self) -> None:  # RQ's
        """Tidy up RQ's lists; where that fails, the next time is soon enough."""
        try:
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        except RedisError as error:
            log.warning("RQ's lists cannot be tidied up: %s", error)
            self.last_cleaned_at = now()  # type: ignore[assignment]  # None is what it begins with

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:  # RQ's
        """Tell RQ that this worker lives."""
        with suppress(RedisError):
            super().heartbeat(timeout, pipeline)

    def get_redis_server_version(self) -> Any:  # RQ's
        """Which Redis this is; asked with a message in hand, which is not to be lost for the answer."""
        try:
            return super().get_redis_server_version()  # type: ignore[no-untyped-call]
        except RedisError:
            return (5, 0, 0)

    def set_state(self, state: str, pipeline: Any = None) -> None:  # RQ's
        """Note the state here, and tell it RQ."""
        with suppress(RedisError):
            super().set_state(state, pipeline)

    def _set_ip_address(self, connection: Redis) -> None:  # RQ's, when it is made
        self.ip_address = "unknown"
        with suppress(RedisError):
            super()._set_ip_address(connection)

    def register_birth(self) -> None:  # RQ's
        """Have RQ list this worker."""
        with suppress(RedisError):
            super().register_birth()  # type: ignore[no-untyped-call]

    def register_death(self) -> None:  # RQ's
        """Have RQ list it no more; it forgets a silent one by itself."""
        with suppress(RedisError):
            super().register_death()  # type: ignore[no-untyped-call]

    def subscribe(self) -> None:  # RQ's
        """Hear no commands over Redis: operators give them in SQL, and who listens logs every outage once more."""

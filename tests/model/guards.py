"""The guards of the task protocol by name: what in the code does it, and what a world lacks without it."""

from __future__ import annotations

from typing import Final

GUARDS: Final = {
    "release only what is as it was looked at": "task_moves.release: state",
    "release by the number that was looked at": "task_moves.release: release_no",
    "every release has a number of its own": "task_moves.release: release_no + 1",
    "a job starts only where it is QUEUED": "dispatch._mark_started: state",
    "what is released has started": "dispatch._mark_started: started_at",
    "claims of a storefront wait for each other": "leases.claim_task: with_for_update",
    "claim of a job that works": "leases._next_slot: state",
    "claim before the deadline": "leases._next_slot: deadline_at",
    "claim only what may be visited now": "leases.shop_slot: find_hold",
    "claim within the storefront's concurrency": "leases.shop_slot: storefront.concurrency",
    "claim within the job's concurrency": "leases._next_slot: job.concurrency",
    "claim and give back what is QUEUED": "task_moves._of_release: state",
    "claim by the present number": "leases.claim_task, task_moves._of_release: release_no",
    "renew one's own lease": "task_moves.renew: lease_token",
    "finish by one's own lease": "task_moves.settle: lease_token",
    "record nothing of what was not settled": "outcomes.finish_task: return False",
    "reap the lease that was looked at": "task_moves.settle: lease_token",
    "reap only what has run out": "task_moves.settle: leased_until",
    "attempts are bounded": "retrying.decide: attempts",
    "losses are bounded": "retrying.decide: losses",
    "what does not count happens once": "outcomes._decide: lease.is_alone",
    "a product is visited a second time once": "outcomes._decide: first_look is None",
    "end only what has not started": "task_moves.end: state",
    "end only what is still over": "ending._end_chunk: state, deadline_at",
    "withdraw only what is QUEUED": "task_moves.withdraw: state",
    "a job ends when all its tasks have": "ending.finish_jobs: current_count",
    "a job ends as its state says": "ending.finish_jobs: state",
    "write off only what is over": "ending._write_off_unprepared: state, deadline_at",
    "what is written off is prepared": "ending._write_off_unprepared: PREPARING -> QUEUED",
    "make as many tasks as were accepted": "preparing._prepare_chunk: prepared_count",
    "tasks are made under the job's lock": "preparing._prepare_chunk: with_for_update",
    "preparing changes no other state": "preparing._prepare_chunk: PREPARING",
    "moves are as the table has them": "job_moves.ask",
    "moves are made under the job's lock": "controlling._locked: with_for_update",
}
"""Without any one of these something goes wrong."""

SPARE: Final = {
    "release only of a job that works": "the claim asks again; a message in vain costs a worker a moment",
    "release again only what has no message": "the older message is worth nothing then; a second one costs a moment",
    "look before the claim": "the claim itself is only of what is QUEUED by its number; this saves the lock",
    "nothing goes back into a cancelled job": "it would be READY, and be ended in the dispatcher's next round",
    "tasks are made of a job that lives": "what is made of one that is over is ended as what has not started",
    "withdraw only from a paused job": "what is READY again is released again; this saves the way there and back",
}
"""Taken out alone these do no harm, and why they are there: they save work."""

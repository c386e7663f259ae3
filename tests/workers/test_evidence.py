"""Putting evidence into the store: a folder or S3, and stores that are full, closed, slow or away."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from flask import Flask
from moto.server import ThreadedMotoServer

from app import create_base
from app.config import Evidence as EvidenceSettings
from app.config import Settings
from app.core.extensions import db
from app.core.files import FileStore, evidence_store
from app.core.metrics import read_counts
from app.core.orm import utc_now
from app.rpa.models.jobs import Action
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.evidence import PER_CODE, Why
from app.rpa.rules.readings import CartReading, Kind, PageFacts, Piece, TaskOutcome
from app.rpa.services import evidence as services
from app.rpa.services.leases import Lease
from tests.rpa.conftest import FarmDriver, profile, reading, stock_master
from tests.rpa.keeping import add_evidence
from tests.servers import on_sqlite
from workers import evidence
from workers.evidence import Keeper

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

PIECES = (Piece(Kind.SCREENSHOT, b"a picture"), Piece(Kind.HTML, b"x" * 50_000))
FAILURE = TaskOutcome(Code.BLOCKED, detail="A robot check.", facts=PageFacts(http_status=200), captured=PIECES)
CART = TaskOutcome(None, CartReading(1, None, None), captured=PIECES)
LEASE = Lease(
    task_id=7, job_id=5, token="01" * 16, action=Action.VIEW_PRODUCT, asin="B000000001", product_id=1, quantity=1,
    storefront_id=1, storefront_version=1, profile=Profile.from_document(profile()), number=3,
    started_at=utc_now(),
)  # fmt: skip

KeeperOf = Callable[[str], Keeper]


@pytest.fixture
def keeper_of(app: Flask, settings: Settings) -> Iterator[KeeperOf]:
    """Makes the keeper of a worker whose evidence lies at this URL."""
    made: list[Flask] = []

    def make(url: str) -> Keeper:
        made.append(create_base(dataclasses.replace(settings, evidence=EvidenceSettings(url=url))))
        return Keeper(made[-1])

    yield make
    for other in made:
        with other.app_context():
            db.session.remove()
            db.engine.dispose()


def assert_says(kept: tuple[TaskOutcome, list[Any]], why: str, *, of: TaskOutcome = FAILURE) -> None:
    """The outcome is what it was, without evidence, and says why."""
    outcome, rows = kept
    facts = dataclasses.replace(of.facts, evidence=f"could not be kept: {why}")
    assert outcome == dataclasses.replace(of, captured=(), facts=facts)
    assert rows == []


def test_what_was_captured_lies_in_the_store_under_its_attempt(keeper_of: KeeperOf, tmp_path: Path) -> None:
    outcome, rows = keeper_of(f"file://{tmp_path}/kept").keep(LEASE, FAILURE)
    assert outcome == dataclasses.replace(FAILURE, captured=())
    assert [row.path for row in rows] == ["evidence/5/7/3/screenshot.jpg", "evidence/5/7/3/page.html.gz"]
    assert [(tmp_path / "kept" / row.path).read_bytes() for row in rows] == [piece.content for piece in PIECES]


def test_what_could_not_be_stored_is_counted_with_its_bytes(keeper_of: KeeperOf, tmp_path: Path) -> None:
    def dropped() -> dict[str, float]:
        return {
            f"{name} {labels[0]}": numbers[0]
            for name in ("cartwright_evidence_dropped_files", "cartwright_evidence_dropped_bytes")
            for labels, numbers in read_counts().get(name, [])
        }

    before = dropped()
    (tmp_path / "taken").write_text("this is no folder")
    outcome, rows = keeper_of(f"file://{tmp_path}/taken").keep(LEASE, FAILURE)
    assert (outcome.facts.evidence is None, rows) == (False, [])
    grown = {name: value - before.get(name, 0) for name, value in dropped().items() if value != before.get(name, 0)}
    size = sum(len(piece.content) for piece in PIECES)
    assert grown == {
        "cartwright_evidence_dropped_files not_stored": 2, "cartwright_evidence_dropped_bytes not_stored": size,
    }  # fmt: skip


def test_nothing_is_written_where_nothing_was_captured(keeper_of: KeeperOf, tmp_path: Path) -> None:
    plain = dataclasses.replace(CART, captured=())
    assert keeper_of(f"file://{tmp_path}/kept").keep(LEASE, plain) == (plain, [])
    assert not (tmp_path / "kept").exists()


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """As somebody who is not root, where the tests are."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_must_not_be_written_to_costs_no_task_its_result(keeper_of: KeeperOf, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    keeper = keeper_of(f"file://{closed}")
    for folder in (closed, *closed.parents):
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o055)
    with without_rights():
        assert not os.access(closed, os.W_OK, effective_ids=True)
        assert_says(keeper.keep(LEASE, FAILURE), "Permission denied")
    assert list(closed.iterdir()) == []


FULL = """
import resource, signal, sys
from flask import Flask
from app.core.files import FileStore
from tests.workers.test_evidence import CART, LEASE, assert_says
from workers.evidence import Keeper

app = Flask("worker")
app.extensions["evidence"] = FileStore("file://" + sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
assert_says(Keeper(app).keep(LEASE, CART), "File too large", of=CART)
print("said so")
"""


def test_a_disk_that_takes_no_more_costs_no_task_its_result_and_leaves_no_half_file(tmp_path: Path) -> None:
    """The kernel refuses to write on in the middle of the file, as it does where a quota is used up."""
    command = [sys.executable, "-c", FULL, f"{tmp_path}/kept"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "said so\n", done.stderr
    assert [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()] == ["screenshot.jpg"]


def test_a_disk_keeps_its_reserve(keeper_of: KeeperOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.files.MIN_FREE_BYTES", 2**62)
    said = "There is not enough room to store this file. Try again later, or ask the operator."
    assert_says(keeper_of(f"file://{tmp_path}/kept").keep(LEASE, FAILURE), said)
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.fixture
def s3_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # its connections know the address of a test before


@pytest.mark.usefixtures("s3_account")
def test_a_store_that_never_answers_costs_seconds_once_and_nothing_after(
    keeper_of: KeeperOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "KEEP_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        keeper = keeper_of("s3://silent/kept")
        started = time.monotonic()
        assert_says(keeper.keep(LEASE, FAILURE), "the store does not answer in time")
        assert time.monotonic() - started >= 3
        started = time.monotonic()
        assert_says(keeper.keep(LEASE, FAILURE), "the store does not answer in time")
        assert time.monotonic() - started < 3  # it is not waited for again


@pytest.mark.usefixtures("s3_account")
def test_a_store_that_is_not_there_costs_no_task_its_result(
    keeper_of: KeeperOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
    keeper = keeper_of("s3://away/kept")
    started = time.monotonic()
    outcome, rows = keeper.keep(LEASE, FAILURE)
    assert ((outcome.facts.evidence or "").startswith("could not be kept: "), rows) == (True, [])
    assert time.monotonic() - started < evidence.KEEP_S + 10  # not the 20 s that a client waits for an answer


@pytest.fixture
def bucket(s3_account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a folder of an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    name = f"evidence-{secrets.token_hex(8)}"
    fsspec.filesystem("s3").mkdir(name)
    yield f"s3://{name}/here"
    server.stop()


def test_a_bucket_keeps_gives_lists_and_deletes_as_a_folder_does(keeper_of: KeeperOf, bucket: str) -> None:
    keeper = keeper_of(bucket)
    _, rows = keeper.keep(LEASE, FAILURE)
    with keeper._app.app_context():
        store = evidence_store()
        assert [b"".join(store.pieces(row.path)) for row in rows] == [piece.content for piece in PIECES]
        assert (store.names("evidence"), store.files("evidence/5")) == (["5"], sorted(row.path for row in rows))
        assert services.sweep_evidence(now=utc_now()) == 0
        assert services.sweep_evidence(now=utc_now() + services.UNKNOWN * 2) == 2
        assert store.names("evidence") == []
        with pytest.raises(FileNotFoundError):
            store.size(rows[0].path)


def test_a_child_of_a_process_that_used_a_bucket_uses_it_too(bucket: str) -> None:
    """As the slots of a pool are: forked after everything is imported and set up."""
    store = FileStore(bucket)
    with store.writing("evidence/1/1/1/screenshot.jpg") as target:
        target.write(b"of the parent")
    child = os.fork()
    if child == 0:
        try:
            with store.writing("evidence/1/1/2/screenshot.jpg") as target:
                target.write(b"of the child")
        except BaseException:  # noqa: BLE001  # a child must not come back into the tests
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert b"".join(store.pieces("evidence/1/1/2/screenshot.jpg")) == b"of the child"


def test_of_a_page_that_was_read_well_the_document_is_kept_until_its_storefront_has_enough(app: Flask) -> None:
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        job = farm.submit()
        farm.release()
        lease = dataclasses.replace(farm.leased(farm.task_ids(job)[0]), token="01" * 16)
        most = app.extensions["settings"].evidence.replay_samples
        for _ in range(most - 1):
            add_evidence(lease.task_id, b"x", kind=Kind.HTML, why="page", pages_of=lease.storefront_id)
    keeper = Keeper(app)
    assert keeper.wanted(lease, reading()) == {Kind.HTML}
    assert keeper.wanted(lease, reading("12.00")) == {Kind.SCREENSHOT, Kind.HTML}
    outcome = TaskOutcome(None, reading("12.00"), captured=PIECES)
    light, kept = keeper.keep(lease, outcome)
    assert (light.captured, [(piece.kind, piece.why) for piece in kept]) == (
        (),
        [(Kind.SCREENSHOT, Why.CHANGE), (Kind.HTML, Why.PAGE)],
    )
    with app.app_context():
        add_evidence(lease.task_id, b"x", kind=Kind.HTML, why="page", pages_of=lease.storefront_id)
    assert keeper.wanted(lease, reading()) == frozenset()
    assert keeper.wanted(dataclasses.replace(lease, storefront_id=lease.storefront_id + 1), reading()) == {Kind.HTML}
    with app.app_context():
        evidence_store().delete(f"evidence/{lease.job_id}")


def test_of_a_code_that_a_job_has_enough_of_nothing_more_is_kept_nor_asked_for(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        farm.storefront()
        job = farm.submit()
        farm.release()
        lease = farm.leased(farm.task_ids(job)[0])
        for _ in range(PER_CODE):
            add_evidence(lease.task_id, b"x", code="BLOCKED")
    keeper = Keeper(app)
    assert keeper.wanted(lease, Code.BLOCKED)
    assert keeper.keep(lease, FAILURE) == (dataclasses.replace(FAILURE, captured=()), [])
    assert not keeper.wanted(lease, Code.BLOCKED)
    assert keeper.wanted(lease, Code.PRICE_MISSING)
    assert keeper.wanted(dataclasses.replace(lease, job_id=lease.job_id + 1), Code.BLOCKED)
    with app.app_context():
        assert len(evidence_store().files(f"evidence/{lease.job_id}")) == PER_CODE
        evidence_store().delete(f"evidence/{lease.job_id}")

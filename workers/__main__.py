"""``python -m workers``: a pool of farm workers, or with ``--background`` of workers without Chrome."""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from app import create_base
from app.config import Settings, SettingsError
from workers.chrome.slot import SlotError, prepare, sweep
from workers.pool import Pool
from workers.privileges import NoSuchUser, drop_root
from workers.worker import run_background_worker, run_farm_worker

_CODE = Path(__file__).resolve().parent


def main() -> int:
    """Run the pool until a signal ends it; returns 0 then, 1 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--background", action="store_true", help="mail, imports, preparations: no Chrome")
    arguments = parser.parse_args()
    try:
        settings = Settings.from_env()
        return _run(settings, background=arguments.background)
    except (SettingsError, NoSuchUser, SlotError) as problem:
        print(problem, file=sys.stderr)
        return 1


def _run(settings: Settings, *, background: bool) -> int:
    app = create_base(settings)
    if background:
        Pool(
            partial(run_background_worker, app, settings), size=settings.background_count, grace_s=settings.stop_grace_s
        ).run()
        return 0
    run_as = drop_root(settings.browsers.run_as, needs=_needs(settings), owns=_owned(settings))
    root = Path(tempfile.gettempdir()) / f"cartwright-browsers-{_uid()}"
    prepare(root)
    work = partial(run_farm_worker, app, settings, root=root, run_as=run_as)
    Pool(work, size=settings.worker_count, grace_s=settings.stop_grace_s).run()
    sweep(root)
    return 0


def _uid() -> int:
    import os

    return os.geteuid()


def _needs(settings: Settings) -> list[Path]:
    """What the system user must be able to enter: our code, the interpreter's library, and an embedded instance."""
    own = [settings.instance_dir] if _embedded(settings) else []
    return [_CODE, Path(sys.prefix), Path(tempfile.__file__), *own]


def _owned(settings: Settings) -> list[Path]:
    """What the system user must own to write to: an embedded database, evidence, and the private Redis's socket."""
    if not _embedded(settings):
        return []
    database = settings.instance_dir / "cartwright.db"
    files = [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm")]
    stored = settings.instance_dir / "files"
    return [settings.instance_dir, *files, stored, stored / "evidence", settings.redis_socket]


def _embedded(settings: Settings) -> bool:
    return settings.database_url.startswith("sqlite") or settings.embedded_redis


if __name__ == "__main__":
    sys.exit(main())

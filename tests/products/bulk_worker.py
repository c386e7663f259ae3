"""``python -m tests.products.bulk_worker DATABASE_URL REDIS_URL OPERATION SLICE``: a worker that can be killed."""

from __future__ import annotations

import sys

from app import create_base
from app.operations.services.running import run_operation
from tests.servers import make_settings

if __name__ == "__main__":
    database_url, redis_url, operation_id, slice_no = sys.argv[1:]
    with create_base(make_settings(database_url, redis_url)).app_context():
        run_operation(operation_id=int(operation_id), slice_no=int(slice_no), slice_s=600)

"""The timetable: which outbox kind is due how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

TIMETABLE: Final[dict[str, timedelta]] = {
    "count_facets": timedelta(minutes=1),
    "purge_idempotency_keys": timedelta(hours=1),
    "purge_outbox": timedelta(hours=1),
    "forget_workers": timedelta(hours=1),
    "fold_tallies": timedelta(minutes=10),
    "refresh_statistics": timedelta(minutes=10),
    "purge_second_factor": timedelta(hours=1),
    "purge_accounts": timedelta(hours=1),
    "purge_webhooks": timedelta(hours=1),
    "purge_carts": timedelta(hours=1),
    "purge_checkouts": timedelta(hours=1),
    "purge_order_links": timedelta(hours=1),
    "check_refunds": timedelta(minutes=10),
    "purge_notices": timedelta(hours=1),
    "ring_for_operations": timedelta(minutes=1),
    "purge_operation_files": timedelta(hours=1),
    "purge_evidence": timedelta(minutes=1),
    "purge_trials": timedelta(hours=1),
    "sweep_evidence": timedelta(hours=6),
    "fold_observations": timedelta(minutes=10),
    "fold_funnel": timedelta(minutes=1),
    "compare_prices": timedelta(minutes=15),
    "purge_reports": timedelta(hours=1),
    "purge_images": timedelta(hours=6),
    "tell_low_stock": timedelta(minutes=1),
    "sweep_alerts": timedelta(minutes=1),
    "request_alert_mails": timedelta(minutes=1),
    "purge_alerts": timedelta(hours=1),
    "recommend": timedelta(minutes=5),
    "rank_best_sellers": timedelta(hours=1),
    "sweep_holds": timedelta(seconds=30),
    "fold_sales": timedelta(seconds=15),
    "rank_sales": timedelta(minutes=5),
    "keep_stock_outlook": timedelta(minutes=1),
    "purge_sales_hours": timedelta(hours=1),
    "add_up_farm": timedelta(seconds=15),
    "note_farm_load": timedelta(seconds=30),
    "purge_farm_figures": timedelta(hours=1),
}

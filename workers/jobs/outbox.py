"""Delivering the outbox: what each kind of row sets off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from flask import Flask

from app.analytics.services import report_mails, report_upkeep, sales_folding
from app.analytics.services.best_sellers import rank_best_sellers, rank_first_best_sellers
from app.analytics.services.farm_adding import add_up
from app.analytics.services.farm_upkeep import note_load, purge_farm_figures
from app.analytics.services.funnel import fold_funnel
from app.analytics.services.price_comparing import compare_prices
from app.analytics.services.recommendations import recommend
from app.analytics.services.report_firing import RUN as RUN_REPORT
from app.analytics.services.report_runs import run_report
from app.analytics.services.sales_ranking import RANK_SALES, rank_sales
from app.analytics.services.stock_outlook import KEEP as KEEP_STOCK_OUTLOOK
from app.analytics.services.stock_outlook import keep_stock_outlook
from app.auth.services import mails, second_factor
from app.auth.services.links import purge_links
from app.auth.services.registration import purge_registrations
from app.auth.services.sessions import purge_sessions
from app.cart.services.purging import purge_carts
from app.core import idempotency, outbox
from app.core.orm import utc_now
from app.core.statistics import refresh_statistics
from app.core.tallies import fold_tallies
from app.notifications.services import notices, purging
from app.operations.services.running import purge_files, ring_for_orphans, run_operation, sweep_folders
from app.orders.services import links as order_links
from app.orders.services import mails as order_mails
from app.orders.services.checkout import purging as purging_checkouts
from app.orders.services.checkout.sweeping import SWEEP_HOLDS, sweep_holds
from app.orders.services.promises import NOTE_STOCK_TAKEN, note_stock_taken
from app.products.search.facets import keep_counted
from app.products.services import low_stock
from app.products.services.images import purge_images
from app.products.services.observations import follow_observed_change
from app.rpa.services import alert_mails, robots
from app.rpa.services.alert_sweep import sweep_alerts
from app.rpa.services.alerts import purge_alerts
from app.rpa.services.evidence import purge_evidence, sweep_evidence
from app.rpa.services.folding import fold_observations, purge_observations
from app.rpa.services.leases import forget_workers
from app.rpa.services.notices import send_job_ended
from app.rpa.services.observing import FOLLOW
from app.rpa.services.preparing import prepare_job
from app.rpa.services.trial_upkeep import purge_trials
from workers.jobs import payments
from workers.pictures import take_picture


def _purge_idempotency_keys() -> None:
    idempotency.purge_expired()


def _purge_outbox() -> None:
    outbox.purge_done()


def _forget_workers() -> None:
    forget_workers()


def _fold_tallies() -> None:
    fold_tallies()


def _refresh_statistics() -> None:
    refresh_statistics()


def _purge_accounts() -> None:
    """Delete what has expired: sessions, links and registrations."""
    now = utc_now()
    purge_sessions(now=now)
    purge_links(now=now)
    purge_registrations(now=now)


def _purge_webhooks() -> None:
    purging.purge(now=utc_now())


def _purge_carts() -> None:
    purge_carts(now=utc_now())


def _purge_checkouts() -> None:
    purging_checkouts.purge_checkouts(now=utc_now())


def _purge_order_links() -> None:
    order_links.purge_links(now=utc_now())


def _note_stock_taken(*, order_id: int, product_id: int, quantity: int, notice: str) -> None:
    about = {"order_id": order_id, "product_id": product_id, "quantity": quantity}
    note_stock_taken(now=utc_now(), notice=notice, **about)


def _send_mail(sender: Callable[..., None], **ids: int | str) -> None:
    sender(now=utc_now(), **ids)


def _purge_second_factor() -> None:
    second_factor.purge_expired(now=utc_now())


def _tell_low_stock() -> None:
    low_stock.request_mails(now=utc_now())


def _follow_storefront(*, update_id: int) -> None:
    follow_observed_change(now=utc_now(), update_id=update_id)


def _sweep_alerts() -> None:
    sweep_alerts()


def _request_alert_mails() -> None:
    alert_mails.request_mails(now=utc_now())


def _purge_alerts() -> None:
    purge_alerts()


def _purge_evidence() -> None:
    purge_evidence()


def _purge_trials() -> None:
    purge_trials()


def _fold_observations() -> None:
    fold_observations()
    purge_observations()


def _fold_funnel() -> None:
    fold_funnel()


def _compare_prices() -> None:
    compare_prices(now=utc_now())


def _add_up_farm() -> None:
    add_up()


def _note_farm_load() -> None:
    note_load()


def _purge_farm_figures() -> None:
    purge_farm_figures()


def _sweep_evidence() -> None:
    sweep_evidence(now=utc_now())


def _purge_images() -> None:
    purge_images()


def _purge_operation_files() -> None:
    purge_files()
    sweep_folders(now=utc_now())


def _ring_for_operations() -> None:
    ring_for_orphans()


def _purge_reports() -> None:
    report_upkeep.purge_reports(now=utc_now())


def _count_facets() -> None:
    keep_counted(now=utc_now())


def _sweep_holds() -> None:
    sweep_holds(clock=utc_now)


def _recommend() -> None:
    recommend(clock=utc_now)
    rank_first_best_sellers(now=utc_now())


def _rank_best_sellers() -> None:
    rank_best_sellers(now=utc_now())


def _fold_sales() -> None:
    sales_folding.fold_sales()


def _rank_sales() -> None:
    rank_sales(now=utc_now())


def _keep_stock_outlook() -> None:
    keep_stock_outlook(now=utc_now())


def _purge_sales_hours() -> None:
    sales_folding.purge_hours()


_SENDERS: Final[dict[str, Callable[..., None]]] = mails.SENDERS | order_mails.SENDERS | report_mails.SENDERS
HANDLERS: Final[dict[str, outbox.Handler]] = {
    "prepare_job": prepare_job,
    robots.REFRESH: robots.refresh_robots,
    "count_facets": _count_facets,
    "run_operation": run_operation,
    "ring_for_operations": _ring_for_operations,
    "purge_operation_files": _purge_operation_files,
    "purge_idempotency_keys": _purge_idempotency_keys,
    "purge_outbox": _purge_outbox,
    "forget_workers": _forget_workers,
    "fold_tallies": _fold_tallies,
    "refresh_statistics": _refresh_statistics,
    "purge_second_factor": _purge_second_factor,
    "purge_accounts": _purge_accounts,
    FOLLOW: _follow_storefront,
    "sweep_alerts": _sweep_alerts,
    "request_alert_mails": _request_alert_mails,
    "purge_alerts": _purge_alerts,
    alert_mails.KIND: partial(_send_mail, alert_mails.send_alerts),
    "purge_evidence": _purge_evidence,
    "purge_trials": _purge_trials,
    "sweep_evidence": _sweep_evidence,
    "fold_observations": _fold_observations,
    "fold_funnel": _fold_funnel,
    "compare_prices": _compare_prices,
    "add_up_farm": _add_up_farm,
    "note_farm_load": _note_farm_load,
    "purge_farm_figures": _purge_farm_figures,
    "purge_images": _purge_images,
    SWEEP_HOLDS: _sweep_holds,
    sales_folding.FOLD: _fold_sales,
    sales_folding.PURGE: _purge_sales_hours,
    RANK_SALES: _rank_sales,
    KEEP_STOCK_OUTLOOK: _keep_stock_outlook,
    "purge_webhooks": _purge_webhooks,
    "purge_carts": _purge_carts,
    purging_checkouts.PURGE: _purge_checkouts,
    "purge_order_links": _purge_order_links,
    NOTE_STOCK_TAKEN: _note_stock_taken,
    notices.KIND: partial(_send_mail, notices.send_disabled),
    "tell_low_stock": _tell_low_stock,
    "mail_low_stock": partial(_send_mail, low_stock.send_low_stock),
    "recommend": _recommend,
    "rank_best_sellers": _rank_best_sellers,
    RUN_REPORT: partial(run_report, take_picture=take_picture),
    "purge_reports": _purge_reports,
    "mail_job_ended": partial(_send_mail, send_job_ended),
    **payments.HANDLERS,
    **{kind: partial(_send_mail, sender) for kind, sender in _SENDERS.items()},
}


class Deliveries:
    """What a background worker does with outbox messages."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def deliver_outbox(self, outbox_id: int) -> None:
        """Deliver one row; an old or doubled message changes nothing."""
        with self._app.app_context():
            outbox.deliver(outbox_id, HANDLERS)

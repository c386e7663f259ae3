"""What lower domains set off in upper ones, and who keeps personal data: every connection in one place."""

from __future__ import annotations

from app.analytics.services import funnel, report_upkeep
from app.analytics.services.sales_folding import folding, forget_imported
from app.auth.events import LoggedIn
from app.auth.services import privacy
from app.cart import checkouts
from app.cart.events import CartBegun
from app.cart.services import merging
from app.cart.services import privacy as cart_privacy
from app.core import events, personal_data
from app.notifications import metrics as _metrics  # noqa: F401  # what is counted of webhooks is shown with the rest
from app.notifications.services import subscriptions
from app.operations.kinds import register_kinds
from app.operations.services.running import register_steps
from app.orders import kinds as order_kinds
from app.orders.events import ImportedSalesUndone, OrderMoved, OrderReached
from app.orders.queries.checkouts import CHECKOUTS
from app.orders.services import mails as order_mails
from app.orders.services import privacy as order_privacy
from app.orders.services import promises
from app.orders.services import steps as order_steps
from app.products import kinds as product_kinds
from app.products.events import AllocationReleased, ProductDeleted, ProductsChanged, StockLow
from app.products.services import steps as product_steps
from app.rpa.events import AlertFired
from app.rpa.services.baselines import forget_product
from app.rpa.services.cart_options import forget_cart_options
from app.rpa.services.evidence import forget_evidence


def connect() -> None:
    """Connect the domains; safe to call again."""
    events.subscribe(ProductDeleted, forget_product)
    events.subscribe(ProductDeleted, forget_evidence)
    events.subscribe(ProductDeleted, forget_cart_options)
    events.subscribe(ProductsChanged, subscriptions.tell_products_changed)
    events.subscribe(StockLow, subscriptions.tell_stock_low)
    events.subscribe(AlertFired, subscriptions.tell_alert_fired)
    events.subscribe(LoggedIn, merging.merge_at_login)
    events.subscribe(AllocationReleased, promises.ask_to_note)
    events.subscribe(OrderMoved, order_mails.tell_customer)
    events.subscribe(OrderMoved, subscriptions.tell_order_moved)
    events.subscribe(ImportedSalesUndone, forget_imported)
    events.subscribe(CartBegun, funnel.count_cart)
    events.subscribe(OrderReached, funnel.count_order)
    checkouts.register(CHECKOUTS)
    register_kinds((*product_kinds.KINDS, *order_kinds.KINDS))
    register_steps({**product_steps.STEPS, **folding(order_steps.STEPS)})
    personal_data.register("auth", personal_data.Holding(export=privacy.export_person, erase=privacy.erase_person))
    carts = personal_data.Holding(export=cart_privacy.export_carts, erase=cart_privacy.erase_carts)
    personal_data.register("cart", carts)
    orders = personal_data.Holding(export=order_privacy.export_person, erase=order_privacy.erase_person)
    personal_data.register("orders", orders)
    reports = personal_data.Holding(export=report_upkeep.export_person, erase=report_upkeep.erase_person)
    personal_data.register("reports", reports)

"""Every blueprint of the web application, and the OpenAPI document they make."""

from __future__ import annotations

from flask import Flask

from app.analytics.api import dashboard, funnel, left_reports, prices, recommendations, report_shares, reports
from app.analytics.api import farm as farm_figures
from app.analytics.api import inventory as inventory_insights
from app.analytics.api import sales as sales_figures
from app.analytics.views import dashboard as dashboard_pages
from app.analytics.views import farm as farm_pages
from app.analytics.views import prices as price_pages
from app.analytics.views import products as product_pages
from app.analytics.views import reports as report_pages
from app.analytics.views import sales as sales_pages
from app.analytics.views import stock as stock_pages
from app.analytics.views.live_channel import register_live_channel
from app.auth.api import (
    api_keys,
    audit,
    credentials,
    identities,
    me,
    passkeys,
    providers,
    registration,
    roles,
    second_factor,
    sessions,
    tokens,
    users,
)
from app.auth.authentication import authenticate
from app.auth.browser import register_browser_sessions
from app.auth.jwt import register_jwt
from app.auth.queries.preferences import find_display
from app.auth.views import account, keys, login, oauth
from app.auth.views import audit as audit_pages
from app.auth.views import credentials as credential_pages
from app.auth.views import passkeys as passkey_pages
from app.auth.views import providers as provider_pages
from app.auth.views import registration as registration_pages
from app.auth.views import roles as role_pages
from app.auth.views import second_factor as second_factor_pages
from app.auth.views import users as user_pages
from app.cart.api import carts
from app.config import Settings
from app.core.api import SmorestApi
from app.core.api_docs import register_api_docs
from app.core.assets import register_assets
from app.core.bokeh_files import register_bokeh
from app.core.display import register_display
from app.core.extensions import bootstrap
from app.core.mailbox import register_mailbox
from app.core.pages import register_pages
from app.core.rates import register_rates
from app.notifications.api import deliveries, webhooks
from app.notifications.api.documentation import register_webhook_docs
from app.operations.api import operations
from app.orders.api import (
    attention,
    checkout,
    coupons,
    notices,
    order_desk,
    orders,
    payments,
    payments_desk,
    returns,
    sales,
    sales_imports,
    shipments,
    tracking,
)
from app.orders.views import tracking as tracking_pages
from app.products.api import (
    bulk,
    categories,
    exports,
    filters,
    images,
    imports,
    inventory,
    products,
    search,
    updates,
)
from app.products.images.gallery import Gallery
from app.rpa.api import (
    alerts,
    cart_options,
    cooldowns,
    errands,
    evidence,
    job_files,
    jobs,
    metrics,
    observations,
    observed_changes,
    profiles,
    robots,
    schedules,
    storefronts,
    suggestions,
    tasks,
    tries,
    workers,
)
from app.rpa.views import alerts as alert_pages
from app.rpa.views import jobs as job_pages
from app.rpa.views import tasks as task_pages
from app.rpa.views import workers as worker_pages
from app.rpa.waiting import WaitingRoom

PREFIX = "/api/v1"

APIS = (
    tokens,
    registration,
    credentials,
    me,
    second_factor,
    passkeys,
    providers,
    identities,
    sessions,
    api_keys,
    users,
    roles,
    audit,
    products,
    filters,
    search,
    updates,
    images,
    categories,
    inventory,
    imports,
    exports,
    operations,
    bulk,
    carts,
    checkout,
    orders,
    order_desk,
    payments,
    payments_desk,
    attention,
    notices,
    coupons,
    sales,
    funnel,
    sales_imports,
    sales_figures,
    farm_figures,
    shipments,
    returns,
    tracking,
    storefronts,
    profiles,
    tries,
    robots,
    cooldowns,
    cart_options,
    suggestions,
    jobs,
    job_files,
    tasks,
    evidence,
    observations,
    observed_changes,
    prices,
    errands,
    schedules,
    alerts,
    workers,
    metrics,
    webhooks,
    deliveries,
    recommendations,
    dashboard,
    reports,
    left_reports,
    report_shares,
    inventory_insights,
)
PAGES = (
    dashboard_pages,
    report_pages,
    login,
    registration_pages,
    credential_pages,
    account,
    keys,
    second_factor_pages,
    passkey_pages,
    oauth,
    user_pages,
    role_pages,
    provider_pages,
    audit_pages,
    tracking_pages,
    sales_pages,
    farm_pages,
    stock_pages,
    price_pages,
    product_pages,
    job_pages,
    task_pages,
    worker_pages,
    alert_pages,
)


def register(app: Flask, settings: Settings) -> None:
    """Register extensions that only the web needs, every page, and every API below /api/v1."""
    app.config.update(API_TITLE="Cartwright", API_VERSION="1", OPENAPI_VERSION="3.1.0", BOOTSTRAP_SERVE_LOCAL=True)
    register_jwt(app, settings)
    register_browser_sessions(app, settings)
    register_rates(app, settings)
    register_pages(app)
    register_display(app, find_display)
    bootstrap.init_app(app)
    register_assets(app)
    register_bokeh(app)
    register_live_channel(app)
    app.extensions["authenticate"] = authenticate
    app.extensions["gallery"] = Gallery(settings)
    app.extensions["waiting_room"] = WaitingRoom(settings.web_threads)
    api = SmorestApi(app)
    for domain in APIS:
        api.register_blueprint(domain.blp, url_prefix=PREFIX)
    for pages in PAGES:
        app.register_blueprint(pages.pages)
    register_mailbox(app, settings)
    register_webhook_docs(api)
    register_api_docs(app, api)
    api.spec.components.security_scheme(
        "bearer",
        {"type": "http", "scheme": "bearer", "description": "An access token, or an API key (cw_...)"},
    )
    api.spec.components.security_scheme(
        "session",
        {
            "type": "apiKey",
            "in": "cookie",
            "name": app.config["SESSION_COOKIE_NAME"],
            "description": "A browser's session; what changes something needs X-CSRFToken as well",
        },
    )
    api.spec.components.security_scheme(
        "cart",
        {
            "type": "apiKey",
            "in": "header",
            "name": "Cart-Token",
            "description": "What POST /api/v1/cart answers a guest: it opens that cart and the order that it becomes",
        },
    )

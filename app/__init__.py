"""Cartwright: the back office of a shop, with a farm of browsers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings

# The imports stand inside the functions because workers import this package too, and they must load neither
# blueprints nor what those need.


def create_app(settings: Settings) -> Flask:
    """The whole web application: what ``create_base`` has, and every blueprint."""
    from app import commands, routes
    from app.core.headers import register_headers
    from app.core.http import register_errors
    from app.core.http_metrics import register_http_metrics
    from app.core.requests import register_requests

    app = create_base(settings)
    register_http_metrics(app)
    register_requests(app, settings)
    register_headers(app, settings)
    register_errors(app)
    routes.register(app, settings)
    commands.register(app)
    return app


def create_base(settings: Settings) -> Flask:
    """The application without its web face, as workers, dispatchers and migrations need it."""
    from app import wiring
    from app.core.application import Application
    from app.core.cache import Cache
    from app.core.extensions import db
    from app.core.files import FileStore
    from app.core.logs import configure_logging
    from app.core.mail import register_mail
    from app.core.migrating import register_migrations
    from app.core.orm import engine_options, prepare_engine
    from app.core.queues import Doorbell
    from app.core.vault import Vault

    configure_logging(settings)
    for warning in settings.warnings:
        logging.getLogger(__name__).warning(warning)
    app = Application("app", template_folder="../templates", instance_path=str(settings.instance_dir))
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
    )
    app.extensions["settings"] = settings
    app.extensions["doorbell"] = Doorbell(settings)
    app.extensions["cache"] = Cache(settings)
    app.extensions["files"] = FileStore(settings.files_url)
    app.extensions["evidence"] = FileStore(settings.evidence_url)
    app.extensions["vault"] = Vault((settings.encryption_key, *settings.old_encryption_keys))
    register_mail(app, settings)
    db.init_app(app)
    register_migrations(app)
    with app.app_context():
        prepare_engine(db.engine)
    wiring.connect()
    return app

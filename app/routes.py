"""Every blueprint of the web application, and the OpenAPI document they make."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from app.auth import api as auth
from app.auth.authentication import authenticate
from app.config import Settings
from app.core.api import SmorestApi
from app.core.api_docs import register_api_docs
from app.core.extensions import jwt, limiter
from app.products import api as products
from app.rpa import api as rpa
from app.rpa.waiting import WaitingRoom

PREFIX = "/api/v1"


def register(app: Flask, settings: Settings) -> None:
    """Register extensions that only the web needs, and every blueprint below /api/v1."""
    app.config.update(
        API_TITLE="Cartwright",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        JWT_SECRET_KEY=settings.jwt_secret_key,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=settings.jwt_access_minutes),
        RATELIMIT_STORAGE_URI=settings.redis_cache_url.replace("unix://", "redis+unix://", 1),
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
    )
    jwt.init_app(app)
    limiter.init_app(app)
    api = SmorestApi(app)
    app.extensions["authenticate"] = authenticate
    app.extensions["waiting_room"] = WaitingRoom(settings.web_threads)
    for domain in (auth, products, rpa):
        api.register_blueprint(domain.blp, url_prefix=PREFIX)
    register_api_docs(app, api)
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})

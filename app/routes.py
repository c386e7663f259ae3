"""Every blueprint of the web application, and the OpenAPI document they make."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask

from app.auth import api as auth
from app.auth.authentication import authenticate
from app.config import Settings
from app.core.api import SmorestApi
from app.core.extensions import jwt, limiter
from app.products import api as products

PREFIX = "/api/v1"


def register(app: Flask, settings: Settings) -> None:
    """Register extensions that only the web needs, and every blueprint below /api/v1."""
    app.config.update(
        API_TITLE="Cartwright",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        JWT_SECRET_KEY=settings.jwt_secret_key,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=settings.jwt_access_minutes),
        RATELIMIT_STORAGE_URI=settings.redis_cache_url.replace("unix://", "redis+unix://", 1),
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
    )
    jwt.init_app(app)
    limiter.init_app(app)
    api = SmorestApi(app)
    app.extensions["authenticate"] = authenticate
    static: Any = app.view_functions["static"]
    static.access = "public"
    for domain in (auth, products):
        api.register_blueprint(domain.blp, url_prefix=PREFIX)
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})

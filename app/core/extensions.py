"""The Flask extensions, one object each; bound to an application in ``create_app`` only."""

from __future__ import annotations

from typing import Final

from flask import request
from flask_bootstrap import Bootstrap5
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_mail import Mail
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from app.core.orm import Base

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False}, disable_autonaming=True)
jwt = JWTManager()


class _WriteLimiter(Limiter):
    """A limiter that looks at reads only where a view itself is limited: the limit on all requests is one on writes."""

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:  # noqa: FBT002  # its
        if not (in_middleware and request.method in SAFE):
            super()._check_request_limit(callable_name=callable_name, in_middleware=in_middleware)


limiter = _WriteLimiter(key_func=get_remote_address)
login_manager = LoginManager()
csrf = CSRFProtect()
bootstrap = Bootstrap5()
mail = Mail()

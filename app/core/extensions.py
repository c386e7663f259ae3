"""The Flask extensions, one object each; bound to an application in ``create_app`` only."""

from __future__ import annotations

from flask_bootstrap import Bootstrap5
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_mail import Mail
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from app.core.orm import Base

db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False}, disable_autonaming=True)
migrate = Migrate()
jwt = JWTManager()
limiter = Limiter(key_func=get_remote_address)
login_manager = LoginManager()
csrf = CSRFProtect()
bootstrap = Bootstrap5()
mail = Mail()

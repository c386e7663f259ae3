"""The web process: settings from the environment, one application."""

from app import create_app
from app.config import Settings

application = create_app(Settings.from_env())

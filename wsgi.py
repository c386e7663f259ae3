"""The web process: settings from the environment, one application."""

import sys

from app import create_app
from app.config import Settings, SettingsError
from app.core.tallies import ProcessReporter

try:
    settings = Settings.from_env()
except SettingsError as problem:
    sys.exit(str(problem))  # the list of what is wrong, without a traceback

application = create_app(settings)
application.extensions["web_reporter"] = ProcessReporter(application, "web")

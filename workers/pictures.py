"""Pictures of charts for the mails of reports."""

from __future__ import annotations

from typing import Any

from app.analytics.services.report_runs import NoPicture


def take_picture(_drawing: dict[str, Any]) -> bytes:
    """Draw a chart; raises NoPicture, as nothing here can draw yet."""
    raise NoPicture("Charts are not drawn yet.")

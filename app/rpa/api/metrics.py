"""What Prometheus asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flask import Response
from flask.views import MethodView
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from app.core.api import ApiBlueprint
from app.rpa.queries.metrics import read_metrics

blp = ApiBlueprint("metrics", __name__, description="How the whole system does, for Prometheus")

_TEXT: Final = {"schema": {"type": "string", "examples": ['cartwright_queue_depth{queue="batch"} 8.0\n']}}
_OK: Final = {"200": {"description": "Prometheus' text format", "content": {"text/plain": _TEXT}}}


@blp.route("/metrics")
class Metrics(MethodView):
    """All metrics."""

    @blp.requires("farm:read")
    @blp.answers(200)
    @blp.doc(responses=_OK)
    def get(self) -> Any:
        """Get all metrics of all processes; every process of the web gives the same."""
        registry = CollectorRegistry()
        registry.register(_Everything())
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Everything(Collector):
    def collect(self) -> Iterable[Metric]:
        return read_metrics()

    def describe(self) -> Iterable[Metric]:
        return ()

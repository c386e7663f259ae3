"""What this process counts. Prometheus' own counters hold it; ``tallies`` adds up the processes.

A label's values come from closed lists or are ids of our own: never what strangers write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric

Counts = dict[str, list[list[Any]]]
"""By metric: ``[[label values, numbers], ...]``. A counter has one number, a histogram one per bound and the sum."""

_REGISTRY: Final = CollectorRegistry()
_DEFINED: Final[dict[str, _Definition]] = {}


@dataclass(frozen=True, slots=True)
class _Definition:
    """What a metric is, for who shows it."""

    metric: Counter | Histogram
    documentation: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """A counter of this process, shown as ``<name>_total``."""
    made = Counter(name, documentation, labels, registry=_REGISTRY)
    _DEFINED[name] = _Definition(made, documentation, tuple(labels))
    return made


def histogram(name: str, documentation: str, labels: Sequence[str], bounds: Sequence[float]) -> Histogram:
    """A histogram of this process; ``bounds`` are the upper ones, in ascending order and without infinity."""
    made = Histogram(name, documentation, labels, registry=_REGISTRY, buckets=(*bounds, float("inf")))
    _DEFINED[name] = _Definition(made, documentation, tuple(labels), (*bounds, float("inf")))
    return made


def read_counts() -> Counts:
    """All that this process has counted."""
    return {name: rows for name, known in _DEFINED.items() if (rows := list(_rows(known)))}


def _rows(known: _Definition) -> Iterator[list[Any]]:
    found: dict[tuple[str, ...], list[float]] = {}
    for family in known.metric.collect():
        for sample in family.samples:
            if not sample.name.endswith(("_created", "_count")):
                labels = tuple(sample.labels[label] for label in known.labels)
                found.setdefault(labels, []).append(sample.value)
    for labels, numbers in found.items():
        if any(numbers):
            yield [list(labels), numbers]


def add_counts(*many: Counts, sign: int = 1) -> Counts:
    """The sum of counts; with ``sign`` -1 the first less the others. Where bounds were changed, the later ones win."""
    total: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for at, counts in enumerate(many):
        for name, rows in counts.items():
            for labels, numbers in rows:
                kept = total.setdefault(name, {}).get(tuple(labels))
                fits = kept is not None and len(kept) == len(numbers)
                before = kept if kept is not None and fits else [0.0] * len(numbers)
                factor = sign if at else 1
                summed = [old + factor * new for old, new in zip(before, numbers, strict=True)]
                total[name][tuple(labels)] = summed
    return {name: [[list(labels), numbers] for labels, numbers in rows.items()] for name, rows in total.items()}


def shown(counts: Counts, names: Mapping[str, Mapping[str, str]]) -> Iterator[Metric]:
    """Counts as metrics; ``names`` has for a label what to show instead of some of its values."""
    for name, known in _DEFINED.items():
        metric = Metric(name, known.documentation, "histogram" if known.bounds else "counter")
        renamed = [[[_name(names, *pair) for pair in zip(known.labels, row[0], strict=True)], row[1]]
                   for row in counts.get(name, ()) if len(row[0]) == len(known.labels)]  # fmt: skip
        if not known.labels and not renamed:
            renamed = [[[], [0.0] * (len(known.bounds) + 1)]]
        for values, numbers in add_counts({name: []}, *({name: [row]} for row in renamed)).get(name, ()):
            _add_samples(metric, known, dict(zip(known.labels, values, strict=True)), numbers)
        yield metric


def _add_samples(metric: Metric, known: _Definition, labels: dict[str, str], numbers: Sequence[float]) -> None:
    if not known.bounds:
        metric.add_sample(f"{metric.name}_total", labels, numbers[0])
    elif len(numbers) == len(known.bounds) + 1:
        for bound, count in zip(known.bounds, numbers, strict=False):
            told = "+Inf" if isinf(bound) else str(float(bound))
            metric.add_sample(f"{metric.name}_bucket", labels | {"le": told}, count)
        metric.add_sample(f"{metric.name}_count", labels, numbers[-2])
        metric.add_sample(f"{metric.name}_sum", labels, numbers[-1])


def _name(names: Mapping[str, Mapping[str, str]], label: str, value: str) -> str:
    return names.get(label, {}).get(value, value)

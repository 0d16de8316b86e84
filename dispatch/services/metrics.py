"""What the service counts, as Prometheus reads it.

Several workers answer at one address, and a scrape reaches any of them. So they share a directory
(``PROMETHEUS_MULTIPROC_DIR``, which prometheus_client looks for when it is imported), a file a process and kind, and
each tells the sum of all: counters of workers that have ended stay in it, so that no total ever falls; of gauges only
those of living workers count, the worst of them. Without that variable one process tells of itself.
"""

import asyncio
import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from dispatch.replica.follower import Follower
from dispatch.services.live import Hub
from dispatch.services.roads import RoadCounts, Roads

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
SHARED_IN: Final = "PROMETHEUS_MULTIPROC_DIR"

# How often what this process knows is written to where the others look.
_EVERY_S: Final = 1.0
# From an OSRM's single table to the longest patience.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

_OF_ROADS: Final = {
    "ways": "Ways that the routing engine was asked for",
    "calls": "Calls of the routing engine",
    "failures": "Questions in the middle of which the engine was down, too slow, or not understood",
    "estimated": "Questions answered by the estimate, although a routing engine is configured",
    "broken_bounds": "Ways that were faster than their bound: the nearest store is not proven",
}


class Metrics:
    """The metrics of one process. Belongs to its event loop."""

    def __init__(self, roads: Roads, follower: Follower, live: Hub) -> None:
        # A gauge more for each counter, which several workers do not have.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
        self._roads, self._follower, self._live = roads, follower, live
        self._registry = registry = CollectorRegistry()
        quotes = Counter("lifecircle_quotes", "Quotes answered", ["outcome"], registry=registry)
        self._quotes = {outcome: quotes.labels(outcome) for outcome in ("fulfillable", "unfulfillable")}
        self._lag_s = Gauge(
            "lifecircle_replica_lag_seconds",
            "Age of the copy of stores and stock that answers come from; of several workers the oldest",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._streams = Gauge(
            "lifecircle_event_streams",
            "Streams of events that are open; of several workers the sum",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._of_roads = {
            name: Counter(f"lifecircle_roads_{name}", text, registry=registry) for name, text in _OF_ROADS.items()
        }
        self._late_stores = Gauge(
            "lifecircle_uploads_late_stores",
            "Stores whose stock was due today and has not been counted, by partner",
            ["partner"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._oldest_s = Gauge(
            "lifecircle_stock_age_oldest_seconds",
            "Age of the newest count of the store that was counted longest ago, by partner; 0 without any",
            ["partner"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._told = RoadCounts()
        self._engine_s = Histogram(
            "lifecircle_roads_engine_seconds",
            "Seconds that a question waited for the routing engine, each time it did",
            registry=registry,
            buckets=_SECONDS,
        )
        self._engine_up = None if roads.engine is None else Gauge(
            "lifecircle_roads_engine_up",
            "1 unless the routing engine failed when it was last asked; of several workers the worst",
            registry=registry,
            multiprocess_mode="livemin",
        )  # fmt: skip
        roads.waited = roads.of_areas.waited = self._engine_s.observe
        self.update()

    def quoted(self, outcome: str, count: int = 1) -> None:
        """Count quotes by their outcome."""
        self._quotes[outcome].inc(count)

    def counted(self, partner: str, *, late: int, oldest_s: float) -> None:
        """Tell how many of a partner's stores are late, and how old the oldest of their newest counts is."""
        self._late_stores.labels(partner).set(late)
        self._oldest_s.labels(partner).set(oldest_s)

    def update(self) -> None:
        """Take over what the roads have counted since, how old the replica is, and how many listen."""
        for name, counter in self._of_roads.items():
            now = getattr(self._roads.counts, name)
            counter.inc(now - getattr(self._told, name))
            setattr(self._told, name, now)
        self._lag_s.set(self._follower.lag_s)
        self._streams.set(len(self._live))
        if self._engine_up is not None:
            self._engine_up.set(self._roads.problem is None)

    def exposition(self) -> bytes:
        """All metrics as text, of all workers if they share a directory."""
        self.update()
        if not os.environ.get(SHARED_IN):
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # it has no types
        return generate_latest(shared)


async def keep_metrics(metrics: Metrics) -> None:
    """Update them every second, for those scrapes that reach another worker."""
    while True:
        metrics.update()
        await asyncio.sleep(_EVERY_S)

"""Have all that is compiled ready before anybody asks: from what was kept, in a fraction of a second, or anew."""

from functools import cache
from typing import Final

from dispatch.domain.promise import PromiseDefaults
from dispatch.domain.question import Line, Question
from dispatch.domain.selection import select
from dispatch.domain.stores import Store
from dispatch.replica.catalogue import Catalogue, StoreDefaults
from dispatch.replica.replica import Replica
from dispatch.replica.stock import Stock
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.coordinates import LatLon
from geo.travel import Mode
from geo.travel.estimate import EstimateTravel

_DEFAULTS = StoreDefaults(
    PromiseDefaults(prepare_s=0, prepare_line_s=0, queue_per_order_s=0, courier_s=0, handover_s=0, mode=Mode.EBIKE),
    stock_stale_after_s=1,
)

_STORES: Final = 20


@cache
def warm_up() -> None:
    """Ask a small replica all there is to ask. Nothing is left to do the second time.

    Where nothing was kept it takes half a minute, and the interpreter is busy with it.
    """
    # Of so many stores, and skus that nobody has, the search looks first at the nearest, then by the rarest.
    place = LatLon(lat=1.0, lon=1.0)
    rows = [
        StoreRow(Store(store_id=f"store {i}", place=place, timezone="UTC"), i, cell_of(place), 0, None)
        for i in range(_STORES)
    ]
    replica = Replica(Catalogue(rows, _DEFAULTS), Stock(), EstimateTravel(), {})
    replica.stock.reserve(_STORES)
    replica.know_skus({1: "sku", 2: "other"})
    lines = (Line("sku", 1), Line("other", 1))
    select(replica, Question(destination=place, lines=lines, promise_s=1, now_s=0, start_s=0))
    replica.stock.terms([0], [0])
    replica.stock.put_one(0, 0, 0, 0, 0)
    replica.index.within(place, 1.0)
    next(replica.index.batches(place))


if __name__ == "__main__":
    warm_up()

"""Have all that is compiled ready before anybody asks: from what was kept, in a fraction of a second, or anew."""

from functools import cache

from dispatch.domain.nearest_many import nearest_of_each
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


@cache
def warm_up() -> None:
    """Ask a replica of one store all there is to ask. Nothing is left to do the second time.

    Where nothing was kept it takes half a minute, and the interpreter is busy with it.
    """
    place = LatLon(lat=1.0, lon=1.0)
    row = StoreRow(Store(store_id="store", place=place, timezone="UTC"), 1, cell_of(place), 0, None)
    replica = Replica(Catalogue([row], _DEFAULTS), Stock(), EstimateTravel(), {})
    replica.stock.reserve(1)
    replica.know_skus({1: "sku"})
    question = Question(destination=place, lines=(Line("sku", 1),), promise_s=1, now_s=0, start_s=0)
    select(replica, question)
    nearest_of_each(replica, [question], replica.travel)
    replica.stock.terms([0], [0])
    replica.index.within(place, 1.0)
    next(replica.index.batches(place))


if __name__ == "__main__":
    warm_up()

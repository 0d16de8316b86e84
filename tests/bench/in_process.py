"""A replica of a made-up world, without a database."""

import numpy as np

from dispatch.domain.promise import PromiseDefaults
from dispatch.replica.catalogue import Catalogue, StoreDefaults
from dispatch.replica.patches import in_order_of_place
from dispatch.replica.replica import Replica
from dispatch.replica.stock import Stock
from dispatch.replica.warming import warm_up
from dispatch.storage.feed import StoreRow
from geo.cells import cell_of
from geo.travel import Mode
from geo.travel.estimate import EstimateTravel
from tests.bench.world import World

# A Tuesday, 12:53 in China: most stores are open.
NOW_S = 1_790_052_780
DEFAULTS = StoreDefaults(
    PromiseDefaults(
        prepare_s=300, prepare_line_s=30, queue_per_order_s=120, courier_s=60, handover_s=120, mode=Mode.EBIKE
    ),
    stock_stale_after_s=129_600,
)


def build(world: World) -> Replica:
    """The world's stores and stock, written straight into a replica; what is compiled is ready, as in a service."""
    warm_up()
    described = map(world.store, range(world.stores))
    rows = [StoreRow(store, i, cell_of(store.place), 0, None) for i, store in enumerate(described, 1)]
    catalogue = Catalogue(in_order_of_place(rows), DEFAULTS)
    slot_of = catalogue.slots_of_numbers(np.arange(1, world.stores + 1))
    stock = Stock()
    stock.reserve(catalogue.columns.size)
    every = np.arange(world.stores)
    stock.set_freshness_scale(every, np.full(world.stores, NOW_S - 3600), np.full(world.stores, 129_600))
    for number, stores, on_hand, price in world.rows():
        sku = stock.add_sku(world.sku(number))
        distinct, which = np.unique(price, return_inverse=True)
        ids = np.array([stock.price_id((int(p), "CNY")) for p in distinct], dtype=np.int64)
        fresh = np.full(len(stores), NOW_S - 3600)
        stock.put(sku, slot_of[stores], on_hand, fresh, ids[which])
    return Replica(catalogue, stock, EstimateTravel(), {})

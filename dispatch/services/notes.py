"""The delivery note of an order: what whoever packs it, carries it and hands it over has to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dispatch.domain.errors import NoRoute, NoStore
from dispatch.domain.orders import Status
from dispatch.services.orders.ordering import Ordering
from dispatch.services.orders.wishes import wish_of
from dispatch.services.routes import Route, Trip, route, straight
from dispatch.storage.items import items_of_skus
from dispatch.storage.orders import StoredOrder
from dispatch.storage.stores import StoreOfOrder, store_of_order
from geo.coordinates import LatLon
from geo.map_links import map_links

type Members = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryNote:
    """An order with a store. ``store``, ``eta``, ``lines`` and ``customer`` are as the order keeps them.

    ``at_store``: what is told of the store as it is now. ``names``: of skus that have one, rather its partner's own.
    ``to_store``, ``to_door``: by map, the address that shows the way there.
    """

    order: StoredOrder
    store: Members
    at_store: StoreOfOrder
    place: LatLon
    destination: LatLon
    eta: Members
    lines: list[Members]
    names: Mapping[str, str]
    customer: Mapping[str, str] | None
    route: Route
    to_store: Mapping[str, str]
    to_door: Mapping[str, str]

    @property
    def accept_by(self) -> datetime | None:
        """Until when the store has to accept the order; None when it need not."""
        return self.order.due_at if self.order.status is Status.CONFIRMED else None


async def delivery_note(ordering: Ordering, client: str, order_id: str) -> DeliveryNote:
    """The note of an order in any status. Raises OrderNotFound, OrderIdAmbiguous, NoStore."""
    order = await ordering.get(client, order_id)
    at = order.at
    if at is None or order.store is None or order.eta is None:
        raise NoStore(f"the order {order_id} is {order.status.value}: no store has it, so there is nothing to deliver")
    replica = ordering.follower.replica
    at_store = await store_of_order(ordering.database, at.cell, at.store_no)
    store, eta, lines = (msgspec.json.decode(text) for text in (order.store, order.eta, order.lines))
    wish, place = wish_of(order.request), LatLon(lat=store["lat"], lon=store["lon"])
    mode = wish.mode or at_store.mode or replica.catalogue.default_mode
    # Told in the store's time zone, so that it sets out at the hour for which the promise was made.
    hour = datetime.fromisoformat(eta["pickup_by"]).hour
    trip = Trip(start=place, destination=wish.destination, mode=mode, hour=hour)
    try:
        way = await route(ordering.roads, replica, trip)
    except NoRoute:
        # Roads change; the goods have to be brought all the same.
        way = straight(replica, trip)
    named = await items_of_skus(ordering.database, [line["sku"] for line in lines], partner=at_store.partner)
    customer = None if order.customer is None else msgspec.json.decode(order.customer)
    return DeliveryNote(
        order=order,
        store=store,
        at_store=at_store,
        place=place,
        destination=wish.destination,
        eta=eta,
        lines=lines,
        names={sku: name for sku, name in named if name is not None},
        customer=customer,
        route=way,
        to_store=map_links(place, store["name"] or at.store_id, mode),
        to_door=map_links(wish.destination, (customer or {}).get("address") or order_id, mode),
    )

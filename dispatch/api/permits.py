"""What a token allows, in one table. What does not stand here, nobody may who sends a token."""

import re
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from dispatch.domain.callers import Caller, Role, may_follow


class Grant(StrEnum):
    """How far a route is open to a role."""

    NO = "no"
    YES = "yes"
    OWN = "own"  # with an order of theirs in the path
    ASKED = "asked"  # with an order of theirs as the query's order_id
    SENT = "sent"  # with an order of theirs in the body, which the route looks at: may_follow


class Permit(NamedTuple):
    method: str
    path: str
    shopper: Grant
    courier: Grant

    def to(self, role: Role) -> Grant:
        return self.shopper if role is Role.SHOPPER else self.courier


NO, YES, OWN, ASKED, SENT = Grant

# The order does not matter. A path is matched whole and as it is: nothing is decoded, tidied or cut off it.
PERMITS: Final = (
    #      method  path                                             shopper  courier
    Permit("GET",  "/v1/caller",                                    YES,     YES),
    Permit("POST", "/v1/shopper-tokens",                            YES,     NO),

    Permit("POST", "/v1/quotes",                                    YES,     NO),
    Permit("POST", "/v1/quotes/batch",                              YES,     NO),
    Permit("GET",  "/v1/stores/nearby",                             YES,     NO),
    Permit("GET",  "/v1/stores/{store_id}",                         YES,     NO),
    Permit("GET",  "/v1/stores/{store_id}/life-circle",             YES,     NO),
    Permit("GET",  "/v1/life-circle",                               YES,     NO),
    Permit("GET",  "/v1/items",                                     YES,     NO),
    Permit("GET",  "/v1/route",                                     YES,     YES),
    Permit("GET",  "/v1/places/turned",                             YES,     YES),
    Permit("GET",  "/v1/map",                                       YES,     YES),
    Permit("GET",  "/v1/map/stores",                                YES,     YES),
    Permit("GET",  "/v1/roads/tiles/{z}/{x}/{y}",                   YES,     YES),

    Permit("PUT",  "/v1/orders/{order_id}",                         OWN,     NO),
    Permit("GET",  "/v1/orders/{order_id}",                         OWN,     OWN),
    Permit("GET",  "/v1/orders/{order_id}/events",                  OWN,     OWN),
    Permit("GET",  "/v1/orders/{order_id}/delivery-note",           NO,      OWN),
    Permit("POST", "/v1/orders/{order_id}/confirm",                 OWN,     NO),
    Permit("POST", "/v1/orders/{order_id}/cancel",                  OWN,     NO),
    # Of the attempt that the link is for: the route compares it with the body's.
    Permit("POST", "/v1/orders/{order_id}/pick-up",                 NO,      OWN),
    Permit("POST", "/v1/orders/{order_id}/deliver",                 NO,      OWN),
    Permit("POST", "/v1/orders/{order_id}/fail",                    NO,      OWN),

    Permit("GET",  "/v1/events",                                    ASKED,   ASKED),
    Permit("GET",  "/v1/events/stream",                             ASKED,   ASKED),
    Permit("POST", "/v1/events/tickets",                            SENT,    SENT),
)  # fmt: skip


def grant_of(caller: Caller, method: str, path: str, query: bytes) -> Grant:
    """How far the caller may go on here: a grant that holds for them with this path and query; else NO."""
    for pattern, permit in _BY_METHOD.get(method, ()):
        if found := pattern.fullmatch(path):
            grant = permit.to(caller.role)
            if _holds(grant, caller, found.groupdict(), query):
                return grant
    return Grant.NO


def _holds(grant: Grant, caller: Caller, steps: dict[str, str], query: bytes) -> bool:
    match grant:
        case Grant.YES | Grant.SENT:
            return True
        case Grant.OWN:
            return caller.has_order(steps["order_id"])
        case Grant.ASKED:
            return _asks_for_theirs(caller, query)
        case _:
            return False


def _asks_for_theirs(caller: Caller, query: bytes) -> bool:
    """Whether it is about one order, of theirs; of two values nobody knows which the route takes."""
    said: dict[str, list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        said.setdefault(name, []).append(value)
    stores, orders = said.get("store_id", []), said.get("order_id", [])
    return len(orders) == 1 and not stores and may_follow(caller, order_id=orders[0])


def _pattern(path: str) -> re.Pattern[str]:
    """As a route of this path: a name in braces is one step, whatever it holds but a slash."""
    steps = (rf"(?P<{step[1:-1]}>[^/]+)" if step.startswith("{") else re.escape(step) for step in path.split("/"))
    return re.compile("/".join(steps))


_BY_METHOD: Final = {
    method: tuple((_pattern(permit.path), permit) for permit in PERMITS if permit.method == method)
    for method in {permit.method for permit in PERMITS}
}

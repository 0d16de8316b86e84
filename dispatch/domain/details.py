"""The figures behind a store's reason, as answers tell them; names ending in ``_at`` or ``_by`` are epoch seconds."""

import numpy as np

from dispatch.domain.known_lines import KnownLine
from dispatch.domain.market import Market
from dispatch.domain.question import Question, Reason


class Details:
    """What is told of the stores that fail one question."""

    def __init__(self, market: Market, question: Question, lines: tuple[KnownLine, ...]) -> None:
        self._market = market
        self._question = question
        self._lines = lines

    def of(
        self, reason: Reason, slot: int, *, distance_m: float, total_s: int, ready_s: int, open_until_s: int
    ) -> dict[str, object]:
        """Why a store so far away fails for this reason; empty where there is nothing to say but that.

        ``ready_s`` after the start its goods would leave, ``total_s`` after it be there; its hours change at
        ``open_until_s``.
        """
        columns, question = self._market.columns, self._question
        match reason:
            case Reason.CLOSED:
                return {"opens_at": self._market.opens_at_s(slot, question.start_s)}
            case Reason.OUTSIDE_DELIVERY_ZONE:
                radius_m = float(columns.delivery_radius_m[slot])
                return {"delivery_radius_m": radius_m} if distance_m > radius_m else {}
            case Reason.STALE_STOCK:
                return self._stale(slot)
            case Reason.INSUFFICIENT_STOCK:
                return self._insufficient(slot)
            case Reason.AT_CAPACITY:
                busy_until_s = int(columns.busy_until_s[slot])
                if busy_until_s > question.now_s:
                    return {"resumes_at": busy_until_s}
                return {
                    "open_orders": int(columns.open_orders[slot]),
                    "max_open_orders": int(columns.max_open_orders[slot]),
                }
            case Reason.CLOSES_TOO_SOON:
                return {"closes_at": open_until_s, "pickup_by": question.start_s + question.hold_s + ready_s}
            case Reason.PROMISE_MISSED:
                return {"total_s": total_s, "promise_s": question.promise_s}
            case _:
                return {}

    def _stale(self, slot: int) -> dict[str, object]:
        at = np.array([slot], dtype=np.int64)
        stale_after_s = int(self._market.columns.stale_after_s[slot])
        wanted = [(line.number, line.quantity) for line in self._lines]
        _, stale = self._market.stock.probe(at, self._question.now_s).lines(wanted)
        for line, is_stale in zip(self._lines, stale[:, 0].tolist(), strict=True):
            if is_stale:
                fresh_s = self._market.stock.fresh_s(line.number, slot)
                age_s = self._question.now_s - fresh_s if fresh_s is not None and fresh_s > 0 else None
                return {"sku": line.sku, "age_s": age_s, "stale_after_s": stale_after_s}
        raise AssertionError("a store with stale stock has a stale line")

    def _insufficient(self, slot: int) -> dict[str, object]:
        for line in self._lines:
            available = self._market.stock.available(line.number, slot)
            if available < line.quantity:
                return {"sku": line.sku, "wanted": line.quantity, "available": available}
        raise AssertionError("a store without enough has a line that lacks")

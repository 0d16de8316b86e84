"""A promise adds up, and its clock runs from the start it was given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain.promise import Parts, PromiseDefaults, parts
from geo.travel import Mode

SECONDS = st.integers(0, 86_400)
STORE = st.tuples(SECONDS, SECONDS, SECONDS, SECONDS, SECONDS, st.integers(0, 1_000))


def of_stores(stores: list[tuple[int, ...]], n_lines: int) -> Parts:
    columns = np.array(stores, dtype=np.int64).reshape(len(stores), 6).T
    return parts(
        prepare_s=columns[0],
        prepare_line_s=columns[1],
        queue_per_order_s=columns[2],
        courier_s=columns[3],
        handover_s=columns[4],
        open_orders=columns[5],
        n_lines=n_lines,
    )


@given(st.lists(STORE, max_size=5), st.integers(1, 200), SECONDS, st.integers(0, 4_000_000_000))
def test_every_promise_is_the_sum_of_its_parts(
    stores: list[tuple[int, ...]], n_lines: int, travel_s: int, start_s: int
) -> None:
    stock = of_stores(stores, n_lines)
    assert stock.total_s(np.full(len(stores), travel_s)).shape == (len(stores),)
    for index, (base_s, line_s, per_order_s, courier_s, handover_s, open_orders) in enumerate(stores):
        eta = stock.eta(index, start_s=start_s, travel_s=travel_s, travel_source="estimate")
        ready_s = base_s + line_s * n_lines + per_order_s * open_orders + courier_s
        assert stock.ready_s[index] == ready_s
        assert eta.total_s == ready_s + travel_s + handover_s == stock.total_s(np.array([travel_s]))[index]
        assert eta.pickup_by == start_s + ready_s
        assert eta.deliver_by == start_s + eta.total_s
        assert eta.prepare_s + eta.queue_s + eta.courier_s + eta.travel_s + eta.handover_s == eta.total_s


def test_the_example_of_the_contract_comes_out_as_written() -> None:
    stock = of_stores([(450, 60, 90, 60, 120, 0)], n_lines=1)
    eta = stock.eta(0, start_s=1_795_226_400, travel_s=240, travel_source="estimate")
    assert (eta.prepare_s, eta.queue_s, eta.courier_s, eta.handover_s, eta.total_s) == (510, 0, 60, 120, 930)


def test_no_stores_have_no_parts() -> None:
    assert of_stores([], n_lines=3).ready_s.tolist() == []


@pytest.mark.parametrize("part", ["prepare_s", "prepare_line_s", "queue_per_order_s", "courier_s", "handover_s"])
def test_a_negative_default_is_refused_by_name(part: str) -> None:
    good = {"prepare_s": 0, "prepare_line_s": 0, "queue_per_order_s": 0, "courier_s": 0, "handover_s": 0}
    assert PromiseDefaults(**good, mode=Mode.EBIKE).mode is Mode.EBIKE
    with pytest.raises(ValueError, match=part):
        PromiseDefaults(**(good | {part: -1}), mode=Mode.EBIKE)

"""The sentence behind a certificate, for every kind of certificate there is."""

from typing import Any

import pytest

from dispatch.commands.quoting import certificate_told


def _body(outcome: str, **certificate: Any) -> dict[str, Any]:
    base = {"key": "travel_s", "key_s": None, "examined": 4, "next_bound_s": None, "rest_lacks": None}
    return {"outcome": outcome, "reason": "closed", "certificate": base | certificate}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            _body("fulfillable", key_s=240, next_bound_s=301),
            "Proof: no other store can be better: 4 stores were looked at, and the way of every other one is at least"
            " 5:01 min, of this one 4:00 min.",
        ),
        (
            _body("fulfillable", key="total_s", key_s=930, examined=1),
            "Proof: no other store can be better: 1 store was looked at, and there are no others.",
        ),
        (
            _body("fulfillable", key_s=60, rest_lacks="tea", next_bound_s=61),
            "Proof: no other store can be better: 4 stores were looked at, and every other store lacks tea, and of"
            " those that have it none left unseen has a way below 1:01 min.",
        ),
        (
            _body("unfulfillable", next_bound_s=3601),
            "Proof: no store can: 4 stores were looked at, and the way of every other one is at least 60:01 min.",
        ),
    ],
)
def test_a_certificate_is_told_in_a_sentence(body: dict[str, Any], told: str) -> None:
    assert certificate_told(body) == told

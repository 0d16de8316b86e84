"""The invented chains of the demo: what sets one apart from another."""

from dataclasses import dataclass
from typing import Final, Literal

type ZoneStyle = Literal["none", "radius", "banks", "holes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One chain; ``share`` is its part of all stores, the lists of pairs are (value, weight).

    ``pull`` bends where it opens: above 0 towards the centre, below 0 towards the edge. ``zone`` is what it says of
    its delivery: nothing, a radius, a zone on its own bank of the river unless a bridge lies in it, or a zone with
    closed grounds cut out; ``reach_m`` is about how far. Times in seconds; None leaves them to the service.
    """

    code: str
    name_zh: str
    name_en: str
    share: float
    pull: float
    hours: tuple[tuple[str | None, float], ...]
    zone: ZoneStyle
    reach_m: float
    mode: str | None
    prepare_s: tuple[int, int]
    prepare_line_s: int | None
    queue_per_order_s: int | None
    courier_s: int | None
    handover_s: int | None
    max_open_orders: tuple[int, int] | None
    price_factor: float
    range_part: float
    """The part of the common products that the chain carries anywhere at all."""
    private_labels: int
    shelf: int
    """How many skus one of its stores has, about."""

    @property
    def brand(self) -> str:
        return f"{self.name_zh}（虚构） {self.name_en} (synthetic)"


CHAINS: Final = (
    Chain(
        code="WB",
        name_zh="鲸枝便利",
        name_en="Whalebranch",
        share=0.28,
        pull=0.5,
        hours=(("24/7", 0.85), ("06:00-24:00", 0.15)),
        zone="radius",
        reach_m=3_000.0,
        mode="ebike",
        prepare_s=(180, 300),
        prepare_line_s=20,
        queue_per_order_s=60,
        courier_s=120,
        handover_s=90,
        max_open_orders=(8, 20),
        price_factor=1.06,
        range_part=0.62,
        private_labels=60,
        shelf=420,
    ),
    Chain(
        code="PT",
        name_zh="柚岚小铺",
        name_en="Pomelomist",
        share=0.22,
        pull=0.2,
        hours=(("07:00-23:00", 0.7), ("07:00-22:30", 0.2), ("24/7", 0.1)),
        zone="banks",
        reach_m=2_400.0,
        mode="ebike",
        prepare_s=(240, 420),
        prepare_line_s=25,
        queue_per_order_s=75,
        courier_s=150,
        handover_s=120,
        max_open_orders=None,
        price_factor=1.0,
        range_part=0.68,
        private_labels=0,
        shelf=390,
    ),
    Chain(
        code="YQ",
        name_zh="砚七铺",
        name_en="Inkstone Seven Corner",
        share=0.16,
        pull=0.0,
        hours=(
            ("Mo-Fr 06:30-22:30; Sa-Su 07:00-23:00", 0.6),
            ("Mo-Fr 07:00-21:30; Sa 08:00-21:00; Su off", 0.3),
            (None, 0.1),
        ),
        zone="none",
        reach_m=0.0,
        mode=None,
        prepare_s=(300, 600),
        prepare_line_s=None,
        queue_per_order_s=None,
        courier_s=None,
        handover_s=None,
        max_open_orders=None,
        price_factor=0.97,
        range_part=0.58,
        private_labels=0,
        shelf=360,
    ),
    Chain(
        code="RS",
        name_zh="苇砚鲜",
        name_en="Reedinkwell Fresh",
        share=0.13,
        pull=0.1,
        hours=(("06:30-21:30", 0.6), ("Mo-Sa 06:00-22:00; Su 07:00-20:00; PH 08:00-18:00", 0.4)),
        zone="holes",
        reach_m=3_200.0,
        mode="ebike",
        prepare_s=(360, 540),
        prepare_line_s=30,
        queue_per_order_s=90,
        courier_s=180,
        handover_s=120,
        max_open_orders=(5, 12),
        price_factor=1.02,
        range_part=0.50,
        private_labels=40,
        shelf=460,
    ),
    Chain(
        code="NH",
        name_zh="夜鹭杂货",
        name_en="Nightheron Sundries",
        share=0.11,
        pull=0.7,
        hours=(("18:00-02:00", 0.6), ("Mo-Th 17:00-01:00; Fr-Su 17:00-04:00", 0.3), ("10:00-02:00", 0.1)),
        zone="radius",
        reach_m=1_200.0,
        mode="foot",
        prepare_s=(120, 240),
        prepare_line_s=15,
        queue_per_order_s=60,
        courier_s=0,
        handover_s=60,
        max_open_orders=(2, 6),
        price_factor=1.12,
        range_part=0.42,
        private_labels=0,
        shelf=280,
    ),
    Chain(
        code="WS",
        name_zh="麦弦驿",
        name_en="Wheatchord Halt",
        share=0.10,
        pull=-1.0,
        hours=(("06:00-22:00", 0.7), ("24/7", 0.3)),
        zone="radius",
        reach_m=8_000.0,
        mode="car",
        prepare_s=(240, 480),
        prepare_line_s=20,
        queue_per_order_s=120,
        courier_s=300,
        handover_s=120,
        max_open_orders=None,
        price_factor=0.95,
        range_part=0.55,
        private_labels=0,
        shelf=480,
    ),
)

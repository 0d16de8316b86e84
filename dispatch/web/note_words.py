"""What a delivery note says, in the languages it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dispatch.web.words import prefers_chinese


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteWords:
    """The words of one language. Those with braces are to be formatted; by status, by mode and by map the names."""

    language: str
    title: str
    status: str
    attempt: str
    accept_by: str
    pickup_by: str
    deliver_by: str
    promised_by: str
    created_at: str
    local_time: str
    store: str
    customer: str
    no_customer: str
    store_name: str
    name: str
    phone: str
    address: str
    note: str
    lines: str
    packed: str
    quantity: str
    item: str
    each: str
    no_price: str
    route: str
    route_told: str
    route_estimated: str
    legend: str
    scan: str
    navigate: str
    to_store: str
    to_door: str
    statuses: Mapping[str, str]
    modes: Mapping[str, str]
    maps: Mapping[str, str]


_ENGLISH: Final = NoteWords(
    language="en",
    title="Delivery note {order_id}",
    status="Status",
    attempt="Attempt",
    accept_by="Accept by",
    pickup_by="Pick up by",
    deliver_by="Deliver by",
    promised_by="Promised by",
    created_at="Ordered at",
    local_time="Times are those of the store ({timezone}).",
    store="From the store",
    customer="To the customer",
    no_customer="Nothing is told of the customer.",
    store_name="Name",
    name="Name",
    phone="Phone",
    address="Address",
    note="Note",
    lines="Goods",
    packed="Packed",
    quantity="Pieces",
    item="Item",
    each="{price} each",
    no_price="no price",
    route="The way",
    route_told="{km} km, {minutes} min {mode}",
    route_estimated="{km} km straight on, about {minutes} min {mode}",
    legend="■ store, ○ door; north is up",
    scan="For the courier: scan to open this order.",
    navigate="Navigate",
    to_store="To the store",
    to_door="To the door",
    statuses={
        "held": "held", "confirmed": "confirmed", "accepted": "accepted", "ready": "ready", "picked_up": "picked up",
        "delivered": "delivered", "failed": "failed", "returned": "returned", "cancelled": "cancelled",
        "expired": "expired", "unfulfillable": "unfulfillable",
    },
    modes={"foot": "on foot", "ebike": "by e-bike", "car": "by car"},
    maps={"amap": "AMap", "tencent": "Tencent", "baidu": "Baidu", "apple": "Apple", "google": "Google"},
)  # fmt: skip

_CHINESE: Final = NoteWords(
    language="zh",
    title="配送单 {order_id}",
    status="状态",
    attempt="第几次派单",
    accept_by="最晚接单",
    pickup_by="计划取货",
    deliver_by="计划送达",
    promised_by="承诺送达",
    created_at="下单时间",
    local_time="时间为门店当地时间（{timezone}）。",
    store="取货门店",
    customer="收货人",
    no_customer="没有收货人信息。",
    store_name="店名",
    name="姓名",
    phone="电话",
    address="地址",
    note="备注",
    lines="商品",
    packed="已装",
    quantity="件数",
    item="品名",
    each="单价 {price}",
    no_price="无价格",
    route="路线",
    route_told="{mode} {km} 公里，{minutes} 分钟",
    route_estimated="{mode}，直线 {km} 公里，约 {minutes} 分钟",
    legend="■ 门店，○ 收货处；上方为北",
    scan="骑手扫码打开此订单。",
    navigate="导航",
    to_store="去门店",
    to_door="去收货处",
    statuses={
        "held": "已预留", "confirmed": "已确认", "accepted": "已接单", "ready": "已备好", "picked_up": "已取货",
        "delivered": "已送达", "failed": "未送达", "returned": "已退回", "cancelled": "已取消",
        "expired": "已过期", "unfulfillable": "无法配送",
    },
    modes={"foot": "步行", "ebike": "电动车", "car": "驾车"},
    maps={"amap": "高德", "tencent": "腾讯", "baidu": "百度", "apple": "苹果", "google": "谷歌"},
)  # fmt: skip


def note_words_of(accept_language: str) -> NoteWords:
    """The words of the language that a reader prefers, by their Accept-Language; English if neither is named."""
    return _CHINESE if prefers_chinese(accept_language) else _ENGLISH

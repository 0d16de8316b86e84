"""What pages say, in the languages they speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one language. Those with braces are to be formatted."""

    language: str
    title: str
    told_at: str
    partner: str
    state: str
    due: str
    stores: str
    never_counted: str
    newest: str
    oldest: str
    last_stock: str
    last_stores: str
    late: str
    nobody_late: str
    no_time: str
    no_stores: str
    none: str
    never: str
    ago: str
    rows_failed: str
    running: str
    failed: str
    undone: str
    done: str
    store: str
    name: str
    counted: str
    late_stores_of: str
    all_partners: str
    next_page: str
    no_partners: str
    days: str
    hours: str
    minutes: str


ENGLISH: Final = Words(
    language="en",
    title="Whose upload is late today",
    told_at="As it was at {at}.",
    partner="Partner",
    state="State",
    due="Due, local time of each store",
    stores="Stores",
    never_counted="Never counted",
    newest="Newest count",
    oldest="Oldest count",
    last_stock="Last stock import",
    last_stores="Last stores import",
    late="Late: {late} of {stores} stores",
    nobody_late="Nobody is late",
    no_time="No due time is set",
    no_stores="No stores",
    none="none",
    never="never",
    ago="{age} ago",
    rows_failed="rows {rows}, bad {failed}",
    running="running",
    failed="failed",
    undone="undone",
    done="done",
    store="Store",
    name="Name",
    counted="Last counted",
    late_stores_of="Late stores of {partner}",
    all_partners="All partners",
    next_page="Next page",
    no_partners="There are no partners yet.",
    days="{n} d",
    hours="{n} h",
    minutes="{n} min",
)

CHINESE: Final = Words(
    language="zh",
    title="今天谁的上传迟了",
    told_at="截至 {at}。",
    partner="合作方",
    state="状态",
    due="截止时间（各门店当地时间）",
    stores="门店数",
    never_counted="从未盘点",
    newest="最新盘点",
    oldest="最旧盘点",
    last_stock="最近的库存导入",
    last_stores="最近的门店导入",
    late="迟到：{stores} 家门店中有 {late} 家",
    nobody_late="没有迟到",
    no_time="未设截止时间",
    no_stores="没有门店",
    none="无",
    never="从未",
    ago="{age}前",
    rows_failed="{rows} 行，{failed} 行有误",
    running="进行中",
    failed="失败",
    undone="已撤销",
    done="完成",
    store="门店",
    name="名称",
    counted="最近盘点",
    late_stores_of="{partner} 迟到的门店",
    all_partners="全部合作方",
    next_page="下一页",
    no_partners="还没有合作方。",
    days="{n} 天",
    hours="{n} 小时",
    minutes="{n} 分钟",
)


def words_of(accept_language: str) -> Words:
    """The words of the language that a reader prefers."""
    return CHINESE if prefers_chinese(accept_language) else ENGLISH


def prefers_chinese(accept_language: str) -> bool:
    """Whether a reader prefers Chinese to English, by their Accept-Language; English if neither is named."""
    best, weight = "en", 0.0
    for item in accept_language.split(","):
        tag, _, parameter = item.partition(";")
        language = tag.strip().lower().split("-")[0]
        q = _weight(parameter)
        # Of two with the same weight the one named first.
        if language in ("en", "zh") and q > weight:
            best, weight = language, q
    return best == "zh"


def _weight(parameter: str) -> float:
    """The q of an item, 1 without any; 0 of one that cannot be read."""
    name, _, value = parameter.partition("=")
    if not name.strip():
        return 1.0
    try:
        return float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0

"""dispatch quote: the nearest store that can, answered in this process from the database, and told to a person."""

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from dispatch.api.finding import question_of
from dispatch.api.problems import problem_of_validation
from dispatch.api.rendering import QuoteAnswer
from dispatch.api.schemas import LineIn, PlaceIn, QuoteIn
from dispatch.app import roads_of, store_defaults, travel_of
from dispatch.commands.session import CommandError, as_served, database_server, opened, out, quiet_logs, ready_to_read
from dispatch.commands.stopping import StopRequest
from dispatch.domain.question import Question, Strategy
from dispatch.domain.selection import Selecting
from dispatch.ingest.values import currency_of
from dispatch.replica.replica import Replica, load
from dispatch.settings import Settings
from dispatch.storage.feed import reading
from geo.datums import Datum
from geo.travel import Mode

_PARTS = ("prepare", "queue", "courier", "travel", "handover")
_BAR_CHARS = 24


def question_asked(
    *,
    lat: float,
    lon: float,
    lines: list[str],
    datum: str,
    promise_minutes: int,
    strategy: str,
    mode: str | None,
    alternatives: int,
    explain: bool,
) -> QuoteIn:
    """What was typed, as the API would get it. Raises Problem for what cannot be asked."""
    try:
        return QuoteIn(
            destination=PlaceIn(lat=lat, lon=lon),
            lines=_lines(lines),
            datum=Datum(datum),
            promise_minutes=promise_minutes,
            at=None,
            strategy=Strategy(strategy),
            mode=None if mode is None else Mode(mode),
            alternatives=alternatives,
            explain=explain,
        )
    except ValidationError as error:
        raise problem_of_validation(error) from error


def _lines(texts: list[str]) -> list[LineIn]:
    lines = []
    for number, text in enumerate(texts):
        sku, quantity = line_of_text(text)
        try:
            lines.append(LineIn(sku=sku, quantity=quantity))
        except ValidationError as error:
            raise problem_of_validation(error, prefix=f"/lines/{number}") from error
    return lines


def line_of_text(text: str) -> tuple[str, int]:
    """Sku and quantity of ``SKU[:QUANTITY]``: digits after the last colon are the quantity, 1 without."""
    sku, colon, quantity = text.rpartition(":")
    if colon and quantity.isascii() and quantity.isdigit():
        return sku, int(quantity)
    return text, 1


def run(settings: Settings, asked: QuoteIn, *, as_json: bool) -> int:
    """Answer one quote; 0 whether or not a store can."""
    quiet_logs(settings)
    now = datetime.now(UTC)
    question = question_of(asked, now=now)
    with StopRequest() as stop, database_server(settings, stop, make=False) as url:
        body = stop.run(_answer(settings, url, question, asked.datum))
    if as_json:
        print(json.dumps(body, ensure_ascii=False, indent=2))
    else:
        show(out(), body, question)
    return 0


async def _answer(settings: Settings, url: str, question: Question, datum: Datum) -> dict[str, Any]:
    began = time.monotonic()
    replica = await loaded(settings, url, skus=[line.sku for line in question.lines])
    rendering = QuoteAnswer(replica, question, datum=datum, lag_s=time.monotonic() - began)
    roads = roads_of(as_served(settings))
    ask = Selecting(replica, question)
    try:
        return rendering.body(await roads.answer(question.destination, ask, otherwise=replica.travel))
    finally:
        roads.close()


async def loaded(settings: Settings, url: str, *, skus: list[str]) -> Replica:
    """The stores, and the stock of these skus. Raises CommandError where there are no stores at all."""
    await ready_to_read(settings, url)
    async with opened(url) as database, reading(database) as reader:
        replica = await load(reader, defaults=store_defaults(settings), travel=travel_of(settings), only_skus=skus)
    if not len(replica.catalogue):
        raise CommandError("the database has no stores; bring some in with: dispatch import stores FILE")
    return replica


# ── telling ────────────────────────────────────────────────────────────────────────────────────────────────────────


def show(console: Console, body: dict[str, Any], question: Question) -> None:
    """Print a quote's body for a person."""
    if body["outcome"] == "fulfillable":
        _show_offer(console, body, question)
        for number, offer in enumerate(body["alternatives"], 1):
            console.print(f"Alternative {number}: {_headline(offer)}", soft_wrap=True)
    else:
        _show_refusal(console, body, question)
    console.print(certificate_told(body), soft_wrap=True)
    if "passed_over" in body:
        _show_passed_over(console, body)


def _headline(offer: dict[str, Any]) -> str:
    store, eta = offer["store"], offer["eta"]
    name = store["name"] or "(no name)"
    return (
        f"{store['store_id']} {name}, {_metres(store['distance_m'])} away,"
        f" at the door by {eta['deliver_by'][11:16]} ({_minutes(eta['total_s'])})"
    )


def _show_offer(console: Console, body: dict[str, Any], question: Question) -> None:
    console.print(_headline(body), style="bold", soft_wrap=True)
    eta = body["eta"]
    table = Table("part", "time", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for part in _PARTS:
        seconds = eta[f"{part}_s"]
        source = f" ({eta['travel_source']})" if part == "travel" else ""
        table.add_row(part + source, _minutes(seconds), "█" * round(_BAR_CHARS * seconds / max(1, eta["total_s"])))
    table.add_row("total", _minutes(eta["total_s"]), f"of {question.promise_s // 60} min promised", style="bold")
    console.print(table)
    for line in body["lines"]:
        console.print(f"{line['quantity']} × {line['sku']}, {_price(line['price'], line['currency'])}", soft_wrap=True)


def _show_refusal(console: Console, body: dict[str, Any], question: Question) -> None:
    if body["reason"] == "unknown_sku":
        console.print(f"No store can: no store has ever had {body['detail']['sku']} (unknown_sku)", style="bold")
        return
    console.print(f"No store can within {question.promise_s // 60} min: {body['reason']}", style="bold")
    if (miss := body["nearest_miss"]) is not None:
        detail = _detail(miss["detail"])
        console.print(
            f"Nearest miss: {miss['store_id']}, {_metres(miss['distance_m'])} away,"
            f" {_minutes(miss['eta']['total_s'])}: {miss['reason']}{detail and f' ({detail})'}",
            soft_wrap=True,
        )


def certificate_told(body: dict[str, Any]) -> str:
    """Why no other store can be better, in a sentence."""
    if body["reason"] == "unknown_sku" if body["outcome"] == "unfulfillable" else False:
        return "Proof: a sku that no store knows cannot be had from any."
    certificate = body["certificate"]
    key = "way" if certificate["key"] == "travel_s" else "whole promise"
    seen = f"{certificate['examined']:,} store" + ("s were" if certificate["examined"] != 1 else " was")
    bound_s, key_s = certificate["next_bound_s"], certificate["key_s"]
    if certificate["rest_lacks"] is not None:
        rest = f"every other store lacks {certificate['rest_lacks']}"
        if bound_s is not None and key_s is not None:
            rest += f", and of those that have it none left unseen has a {key} below {_minutes(bound_s)}"
    elif bound_s is None:
        rest = "there are no others"
    else:
        rest = f"the {key} of every other one is at least {_minutes(bound_s)}"
        if key_s is not None:
            rest += f", of this one {_minutes(key_s)}"
    claim = "no other store can be better" if body["outcome"] == "fulfillable" else "no store can"
    return f"Proof: {claim}: {seen} looked at, and {rest}."


def _show_passed_over(console: Console, body: dict[str, Any]) -> None:
    total = body["passed_over_total"]
    if not total:
        console.print("No store was passed over.")
        return
    table = Table(
        "store", "distance", "way" if body["certificate"]["key"] == "travel_s" else "promise", "passed over for"
    )
    table.columns[1].justify = table.columns[2].justify = "right"
    for entry in body["passed_over"]:
        detail = _detail(entry["detail"])
        key = "" if entry["key_s"] is None else _minutes(entry["key_s"])
        reason = entry["reason"] + (f": {detail}" if detail else "")
        table.add_row(entry["store_id"], _metres(entry["distance_m"]), key, reason)
    console.print(table)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in body["passed_over_reasons"].items())
    more = f" ({total - len(body['passed_over']):,} of them not shown)" if total > len(body["passed_over"]) else ""
    console.print(f"Passed over: {reasons}{more}", soft_wrap=True)


def _price(minor: int | None, currency: str | None) -> str:
    if minor is None or currency is None:
        return "no price"
    code, decimals = currency_of(currency)
    return f"{Decimal(minor).scaleb(-decimals)} {code} each"


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in detail.items() if value is not None)


def _metres(distance_m: float) -> str:
    return f"{distance_m:,.0f} m" if distance_m < 10_000 else f"{distance_m / 1000:,.1f} km"


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d} min"

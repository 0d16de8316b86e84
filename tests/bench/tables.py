"""The figures as tables."""

import statistics
import sys
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench import imports, order_http, order_writes, zones
from tests.bench.http_noop import KINDS
from tests.bench.peers import sizes

# Wide enough for the tables where there is no terminal to tell its width.
_WIDTH: Final = 140
console = Console(width=None if sys.stdout.isatty() else _WIDTH)


def show_quotes(figures: dict[str, Any]) -> None:
    quotes = Table(title=f"Quotes in process, {figures['stores']:,} stores, {figures['shelf_rows']:,} shelf rows")
    for name in ("mix", "p50 µs (spread)", "p99 µs (spread)", "plans", "outcomes"):
        quotes.add_column(name)
    for entry in figures["quotes"]:
        quotes.add_row(
            entry["mix"],
            _p50(entry),
            _p99(entry),
            ", ".join(f"{name} {count}" for name, count in sorted(entry["plans"].items())),
            ", ".join(f"{name} {count}" for name, count in sorted(entry["outcomes"].items())),
        )
    console.print(quotes)
    size = Table(title="The replica")
    size.add_column("figure")
    size.add_column("measured", justify="right")
    size.add_row("bytes a shelf row, stock alone", f"{figures['row_bytes']:.2f}")
    size.add_row("bytes a shelf row, the process's growth by all of it", f"{figures['resident_bytes_a_row']:.2f}")
    size.add_row("bytes a store, the process's growth by the stores alone", f"{figures['resident_bytes_a_store']:.0f}")
    size.add_row("bytes a store, its scale of freshness", f"{figures['scale_bytes_a_store']:.0f}")
    size.add_row("most memory the process held while loading", f"{figures['peak_mb']:,.0f} MB")
    size.add_row("loaded from PostgreSQL in", f"{figures['load_s']:.1f} s")
    size.add_row("dispatch serve ready after", f"{figures['ready_s']:.1f} s")
    console.print(size)


def show_pages(figures: dict[str, Any]) -> None:
    if "missing" in figures:
        console.print(f"pages: {figures['missing']}")
        return
    table = Table(title=f"The pages in Chromium; the map of {figures['stores']:,} stores zoomed and dragged")
    for name in ("screen", "first view ms (spread)", "tasks", "stores drawn anew", "longest tasks ms", "over 100 ms"):
        table.add_column(name, justify="right")
    for size, moving in figures["moving"].items():
        median_ms, (least_ms, most_ms) = figures["first_view_ms"][size]
        table.add_row(
            size,
            f"{median_ms:,.0f} ({least_ms:,.0f}…{most_ms:,.0f})",
            f"{moving['tasks']:,}",
            str(moving["drawn"]),
            ", ".join(f"{task_ms:.0f}" for task_ms in moving["longest_ms"]),
            str(moving["stalls"]),
        )
    console.print(table)


def show_http(figures: dict[str, Any]) -> None:
    table = Table(
        title=f"Over HTTP, {figures['stores']:,} stores, {figures['shelf_rows']:,} shelf rows: a worker's CPU time"
    )
    table.add_column("what")
    table.add_column("µs (spread)", justify="right")
    for kind in KINDS:
        table.add_column(f"÷ {kind}", justify="right")
    table.add_column("single ÷ it", justify="right")
    cpu_us = figures["cpu_us"]
    for mix, ratios in figures["quote_ratios"].items():
        table.add_row(f"quote, {mix}", _told(cpu_us[f"quote, {mix}"], 0), *(_told(ratios[kind], 2) for kind in KINDS))
    ratios = figures["nearby_ratios"]
    table.add_row("nearby, a page", _told(cpu_us["nearby"], 0), *(_told(ratios[kind], 2) for kind in KINDS))
    for mix, gain in figures["batch_gains"].items():
        table.add_row(f"one of a batch, {mix}", _told(cpu_us[f"batch, {mix}"], 0), *("" for _ in KINDS), _told(gain, 2))
    table.add_section()
    for kind in KINDS:
        for of, name in (("quote", "nothing of a quote"), ("page", "nothing of nearby")):
            table.add_row(f"nothing, a {of}, {kind}", _told(cpu_us[f"{name}, {kind}"], 0))
    console.print(table)
    shares = ", ".join(
        f"{mix} {told.get('fulfillable', 0) / sum(told.values()):.0%}" for mix, told in figures["outcomes"].items()
    )
    console.print(
        f"fulfillable: {shares}; a quote: {figures['quote_bytes']:,} bytes; a page: {figures['page_stores']} stores,"
        f" {figures['page_bytes']:,} bytes; idle, the worker takes {figures['idle_share']:.1%} of a core"
    )


def _told(figure: dict[str, Any], digits: int) -> str:
    low, high = figure["spread"]
    return f"{figure['median']:,.{digits}f} ({low:,.{digits}f}…{high:,.{digits}f})"


def show_zones(figures: dict[str, Any]) -> None:
    table = Table(title=f"What {zones.ZONES:,} zones add to a quote, one for each store of a city")
    for name in ("zones", "that hold the door", "p50 without, µs", "added, µs (spread)"):
        table.add_column(name)
    for kind, entry in figures.items():
        low, high = entry["added_spread_us"]
        table.add_row(
            kind,
            f"{entry['zones_that_hold_the_door']:,.0f}",
            f"{entry['without_p50_us']:.0f}",
            f"{entry['added_us']:.0f} ({low:.0f}…{high:.0f})",
        )
    console.print(table)


def show_orders(figures: dict[str, Any]) -> None:
    storage = Table(title=f"Orders of {order_writes.LINES} lines at one hot cell, durable, a second (spread)")
    for name in ("clients", "one transaction an order", "group commit", "group commit ÷ one by one"):
        storage.add_column(name)
    for entry in figures["storage"]:
        low, high = entry["ratio_spread"]
        storage.add_row(
            str(entry["clients"]),
            _a_second(entry, "one_by_one"),
            _a_second(entry, "group_commit"),
            f"{entry['ratio']:.2f} ({low:.2f}…{high:.2f})",
        )
    console.print(storage)
    http = figures["http"]
    over_http = Table(title=f"The same over HTTP, {order_http.WORKERS} workers, {order_http.CONNECTIONS} connections")
    for name in ("route", "a second (spread)"):
        over_http.add_column(name)
    over_http.add_row("orders", _a_second(http, "orders"))
    over_http.add_row("one of the same shape that does nothing", _a_second(http, "nothing"))
    console.print(over_http)
    console.print(f"orders ÷ nothing, over HTTP: {http['share']:.2f}")


def _a_second(entry: dict[str, Any], what: str) -> str:
    low, high = entry[f"{what}_spread_per_s"]
    return f"{entry[f'{what}_per_s']:,.0f} ({low:,.0f}…{high:,.0f})"


def show_imports(figures: dict[str, Any]) -> None:
    table = Table(title=f"Imports over HTTP, with {imports.QUOTES_A_S} quotes a second meanwhile")
    for name in ("what", "seconds", "of COPY", "more MB", "quotes p50 ms", "p99 ms", "statuses"):
        table.add_column(name)
    table.add_row(f"{figures['stores']:,} stores, no quotes", f"{figures['stores_s']:.1f}", "", "", "", "", "")
    table.add_row(f"COPY of {figures['stock_rows']:,} rows", f"{figures['copy_s']:.1f}", "1", "", "", "", "")
    for name, entry in (("quotes alone", None), ("all rows new", figures["new"]), ("all there", figures["again"])):
        quotes = figures["quiet"] if entry is None else entry["quotes"]
        told = ("", "", "") if entry is None else (
            f"{entry['seconds']:.1f}", f"{entry['ratio']:.2f}", f"{entry['more_mb']:.0f}"
        )  # fmt: skip
        statuses = ", ".join(f"{status} {count}" for status, count in sorted(quotes["statuses"].items()))
        table.add_row(name, *told, f"{quotes['p50_ms']:.1f}", f"{quotes['p99_ms']:.1f}", statuses)
    console.print(table)


def show_roads(figures: dict[str, Any]) -> None:
    table = Table(title=f"Quotes by road, {figures['stores']:,} stores, each to a door of its own")
    for name in (
        "mode",
        "times by",
        "first p50 ms",
        "p50 ms (spread)",
        "p99 ms (spread)",
        "CPU p50 ms",
        "ways a quote",
    ):
        table.add_column(name)
    for mode, engines in figures["by_mode"].items():
        for name, of_it in engines.items():
            p50, p99 = of_it["p50_ms"], of_it["p99_ms"]
            table.add_row(
                mode,
                name,
                f"{of_it['first_p50_ms']:.1f}",
                f"{statistics.median(p50):.1f} ({min(p50):.1f}…{max(p50):.1f})",
                f"{statistics.median(p99):.1f} ({min(p99):.1f}…{max(p99):.1f})",
                f"{statistics.median(of_it['cpu_p50_ms']):.1f}",
                f"{of_it['ways']:.1f}",
            )
        if len(engines) > 1:
            ours, theirs = list(engines.values())[:2]
            shares = [more / less for more, less in zip(theirs["p50_ms"], ours["p50_ms"], strict=True)]
            ratio = f"{statistics.median(shares):.1f} ({min(shares):.1f}…{max(shares):.1f})"
            table.add_row(mode, "the second ÷ the first", "", ratio, "", "", "")
    console.print(table)
    for mode, of_it in figures["ratios"].items():
        console.print(
            f"{mode}: a way takes {of_it['p50']:.2f} ({of_it['p5']:.2f}…{of_it['p95']:.2f}) times by the first what it"
            f" takes by the second, of {of_it['ways']}; {of_it['way_by_one_alone']} have a way by one of them alone"
        )
    console.print(
        f"{figures['compared'] - figures['different']} of {figures['compared']} answers equal the full matrix;"
        f" {figures['broken_bounds']} bounds broken"
    )


def show_peers(figures: dict[str, Any]) -> None:
    if "missing" in figures:
        console.print(f"without its peers this part does not count: {figures['missing']}")
        return
    table = Table(
        title=f"Side by side, {figures['stores']:,} stores, {figures['shelf_rows']:,} shelf rows, µs a question"
    )
    for name in ("mix", "p50 (spread)", "p99 (spread)", "p50 ÷ ours (spread)", "answers", "most lost, m"):
        table.add_column(name)
    for of in figures["mixes"]:
        table.add_section()
        table.add_row(f"[bold]{of['mix']}[/bold]", "", "", "", f"none: {of['none']:.1%}", "")
        table.add_row("  ours", _p50(of["ours"]), _p99(of["ours"]), "", "", "")
        for name, entry in of["peers"].items():
            table.add_row(f"  {name}", *_peer(entry))
    console.print(table)
    trips = ", ".join(f"{name} {trip_us:.0f} µs" for name, trip_us in figures["empty_us"].items())
    console.print(f"{'; '.join(figures['versions'])} ({figures['redis_mb']:,.0f} MB); an empty round trip: {trips}")


def _peer(entry: dict[str, Any]) -> tuple[str, ...]:
    low, high = entry["ratio_spread"]
    answers = entry["answers"]
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in answers["verdicts"].items())
    lost = f"{answers['most_lost_m']:.1f}" if answers["most_lost_m"] else ""
    return _p50(entry), _p99(entry), f"{entry['ratio']:.1f} ({low:.1f}…{high:.1f})", verdicts, lost


def show_sizes(figures: dict[str, Any]) -> None:
    table = Table(title="Ours as stores grow, p50 in µs (spread)")
    table.add_column("mix")
    for size in figures["sizes"]:
        table.add_column(f"{size['stores']:,} x {size['per_store']}")
    for of, to in sizes.RATIOS:
        large, small = figures["sizes"][of], figures["sizes"][to]
        table.add_column(f"{large['stores']:,} x {large['per_store']} ÷ {small['stores']:,} x {small['per_store']}")
    for of_it in figures["mixes"]:
        ratios = zip(of_it["ratios"], of_it["ratio_spreads"], strict=True)
        told = [f"{ratio:.2f} ({low:.2f}…{high:.2f})" for ratio, (low, high) in ratios]
        table.add_row(of_it["mix"], *map(_p50, of_it["by_size"]), *told)
    console.print(table)


def _p50(entry: dict[str, Any]) -> str:
    low, high = entry["p50_spread_us"]
    return f"{entry['p50_us']:,.0f} ({low:,.0f}…{high:,.0f})"


def _p99(entry: dict[str, Any]) -> str:
    low, high = entry["p99_spread_us"]
    return f"{entry['p99_us']:,.0f} ({low:,.0f}…{high:,.0f})"

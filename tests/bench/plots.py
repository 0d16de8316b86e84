"""The figures of the part ``peers`` as pictures: SVG, the same to the byte for the same figures."""

from pathlib import Path
from textwrap import fill
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

_WIDTH_IN: Final = 8.0
_BAR: Final = 0.2  # of the room of a mix


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """What there is to draw, written into a folder; the files. Nothing is drawn of a run without peers."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    # Text stays text, small and to be searched; ids are made from the salt, not drawn by lot.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lifecircle", "font.size": 9}):
        if figures.get("peers", {}).get("counts"):
            drawn.append(_saved(_side_by_side(figures["peers"]), folder / "peers.svg"))
        if "sizes" in figures:
            drawn.append(_saved(_as_stores_grow(figures["sizes"]), folder / "sizes.svg"))
    return drawn


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    return path


def _side_by_side(figures: dict[str, Any]) -> Figure:
    """A row of bars for each percentile."""
    figure = Figure(figsize=(_WIDTH_IN, 6.0), layout="constrained")
    mixes = figures["mixes"]
    systems = ["ours", *mixes[0]["peers"]]
    rows = figure.subplots(2, sharex=True)
    for axes, percentile in zip(rows, ("p50", "p99"), strict=True):
        for n, system in enumerate(systems):
            told = [mix["ours"] if system == "ours" else mix["peers"][system] for mix in mixes]
            heights = [entry[f"{percentile}_us"] for entry in told]
            axes.bar(
                [at + (n - (len(systems) - 1) / 2) * _BAR for at in range(len(mixes))], heights, _BAR, label=system
            )
        _microseconds(axes, percentile)
    rows[0].set_title(f"One question, {figures['stores']:,} stores, {figures['shelf_rows']:,} shelf rows")
    rows[0].legend(ncols=len(systems), fontsize="small")
    rows[1].set_xticks(range(len(mixes)), [fill(mix["mix"], 10) for mix in mixes])
    return figure


def _as_stores_grow(figures: dict[str, Any]) -> Figure:
    """A line for each mix over the sizes that have as many skus a store as the largest."""
    figure = Figure(figsize=(_WIDTH_IN, 4.0), layout="constrained")
    axes = figure.subplots()
    per_store = max(figures["sizes"], key=lambda size: size["stores"])["per_store"]
    alike = [(n, size["stores"]) for n, size in enumerate(figures["sizes"]) if size["per_store"] == per_store]
    stores = [count for _, count in alike]
    for mix in figures["mixes"]:
        axes.plot(stores, [mix["by_size"][n]["p50_us"] for n, _ in alike], marker="o", label=mix["mix"])
    axes.set_xscale("log")
    axes.set_xticks(stores, [f"{count:,}" for count in stores])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(f"A quote of ours in process as stores grow, {per_store} skus each")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    _microseconds(axes, "p50")
    return figure


def _microseconds(axes: Axes, percentile: str) -> None:
    axes.set_yscale("log")
    axes.set_ylabel(f"{percentile}, µs")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="y", which="major", linewidth=0.4)
    axes.set_axisbelow(True)

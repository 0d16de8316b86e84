"""dispatch nearby: the stores around a place, nearest first."""

import json
from datetime import UTC, datetime

from pydantic import ValidationError
from rich.table import Table

from dispatch.api.places import place_of
from dispatch.api.problems import problem_of_validation
from dispatch.api.rendering import store_told
from dispatch.api.schemas import NearbyIn
from dispatch.commands.quoting import loaded
from dispatch.commands.session import database_server, out, quiet_logs
from dispatch.commands.stopping import StopRequest
from dispatch.services.nearby import NearbyQuestion, nearby
from dispatch.settings import Settings
from geo.datums import Datum


def nearby_asked(
    *, lat: float, lon: float, datum: str, radius_m: float, limit: int, skus: list[str], open_now: bool
) -> NearbyIn:
    """What was typed, as the API would get it. Raises Problem for what cannot be asked."""
    try:
        return NearbyIn(
            lat=lat,
            lon=lon,
            datum=Datum(datum),
            radius_m=radius_m,
            limit=limit,
            cursor=None,
            sku=skus,
            open_now=open_now,
            delivers_here=False,
        )
    except ValidationError as error:
        raise problem_of_validation(error) from error


def run(settings: Settings, asked: NearbyIn, *, as_json: bool) -> int:
    """Print the stores; 0 whether or not there are any."""
    quiet_logs(settings)
    question = NearbyQuestion(
        origin=place_of(lat=asked.lat, lon=asked.lon, datum=asked.datum, pointer="/lat"),
        radius_m=asked.radius_m,
        limit=asked.limit,
        now_s=int(datetime.now(UTC).timestamp()),
        open_now=asked.open_now,
        skus=tuple(dict.fromkeys(asked.sku)),
    )
    with StopRequest() as stop, database_server(settings, stop, make=False) as url:
        replica = stop.run(loaded(settings, url, skus=list(question.skus)))
    page = nearby(replica, question)
    stores = [store_told(state, asked.datum) for state in page.stores]
    if as_json:
        print(json.dumps({"stores": stores, "more": page.more}, ensure_ascii=False, indent=2))
        return 0
    console = out()
    if not stores:
        having = f" that has {' and '.join(question.skus)}" if question.skus else ""
        console.print(f"No {'open ' * asked.open_now}store{having} within {asked.radius_m:,.0f} m", soft_wrap=True)
        return 0
    table = Table("store", "name", "distance", "open", "delivers here")
    table.columns[2].justify = "right"
    for sku in question.skus:
        table.add_column(sku, min_width=len(sku), justify="right")
    for column in table.columns:
        column.no_wrap = True
    for store in stores:
        stock = ["stale" if store["stock"][sku] is None else str(store["stock"][sku]) for sku in question.skus]
        table.add_row(
            store["store_id"],
            store["name"] or "",
            f"{store['distance_m']:,.0f} m",
            _opening(store["open_now"], store["opens_at"], store["closes_at"], hours_known=store["hours_known"]),
            "yes" if store["delivers_here"] else "no",
            *stock,
        )
    console.print(table)
    if page.more:
        console.print(f"There are more within {asked.radius_m:,.0f} m: raise --limit (at most 200)")
    return 0


def _opening(is_open: bool, opens_at: str | None, closes_at: str | None, *, hours_known: bool) -> str:
    if not hours_known:
        return "hours unknown"
    if is_open:
        return "yes" if closes_at is None else f"until {closes_at[11:16]}"
    return "no" if opens_at is None else f"from {opens_at[5:10]} {opens_at[11:16]}"

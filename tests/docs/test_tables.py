"""The tables of the documentation say what the program does."""

import inspect
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic.fields import FieldInfo

from dispatch.api import problems
from dispatch.api.map_schemas import MapStoresAsked
from dispatch.api.note_answers import NoteAnswer
from dispatch.api.note_schemas import MOST_KM, RouteAsked
from dispatch.api.permits import PERMITS, Grant
from dispatch.api.reach_schemas import CoverageAsked, LifeCircleAsked, StoreCircleAsked
from dispatch.api.schemas import (
    ActionIn,
    DeclineIn,
    ImportAsked,
    ImportsAsked,
    NearbyIn,
    OrderIn,
    OrderLineIn,
    OrdersAsked,
    QuoteIn,
    ReassignIn,
    ShelfIn,
    ShelfItemIn,
)
from dispatch.api.stock_answers import UploadsOfPartner
from dispatch.api.stock_schemas import ClosureIn, MovementIn, PartnerIn
from dispatch.api.token_schemas import CourierLinkIn, ShopperTokenIn
from dispatch.domain import errors, orders
from dispatch.domain.callers import Caller, Role, check_can_be_carried, check_still_theirs
from dispatch.domain.movements import MovementStatus
from dispatch.domain.orders import ASKED, WITH_ATTEMPT, Action, DeclineReason, Status, allowed_in
from dispatch.domain.question import Reason
from dispatch.ingest import items
from dispatch.ingest.formats import (
    headers,
    json_feed,
    lines,
    osm_pbf,
    records,
    sources,
    workbook_parts,
    xml_feed,
)
from dispatch.ingest.problems import FILE_CODES, IGNORED_CODES, ROW_CODES, WARNING_CODES
from dispatch.ingest.profiles import FormatProfile, fold_name, format_profiles, load_profile
from dispatch.replica.columns import TIMES
from dispatch.settings import ENV_PREFIX, Settings
from geo.coordinates import CoordinateError, LatLon
from geo.travel import Mode
from geo.travel.estimate import DEFAULT_SPEEDS, EstimateTravel, ModeSpeed
from tests.api.client import worker
from tests.docs.commands import options_of
from tests.docs.pages import ROOT, page

FIND, ORDER, START, UPLOAD, STOCK, REACH, TOKENS, MAP = (
    page(f"docs/{name}.md") for name in ("find", "order", "start", "upload", "stock", "reach", "tokens", "map")
)


def names_of(rows: list[dict[str, str]], column: str) -> list[str]:
    """The names in a column, where a row may hold several between commas."""
    return [name.strip() for row in rows for name in row[column].split(",")]


def shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return f"{value[0]:g} × {len(value)}" if len(set(value)) == 1 else json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_table_of_settings_is_the_settings() -> None:
    documented = [(row["variable"], row["default"], row["meaning"]) for row in START.table("Settings")]
    assert documented == [
        (f"{ENV_PREFIX}{name.upper()}", shown(field.default), field.description)
        for name, field in Settings.model_fields.items()
    ]


async def test_the_table_of_metrics_is_what_is_told(database_url: str, tmp_path: Path) -> None:
    async with worker(database_url, tmp_path, roads_url="http://127.0.0.1:9") as api:
        told = (await api.send("GET", "/metrics")).text
    families = re.findall(r"^# HELP (\S+) (.+)\n# TYPE \S+ (\w+)$", told, re.MULTILINE)
    documented = [(row["metric"], row["is"], row["kind"]) for row in START.table("Metrics")]
    assert documented == families


@pytest.mark.parametrize(
    ("heading", "codes"),
    [
        ("Of the file: nothing is applied", FILE_CODES),
        ("Of a row: it is not applied, the others are", ROW_CODES),
        ("Ignored: the row says nothing that counts", IGNORED_CODES),
        ("Warnings: the row is applied", WARNING_CODES),
    ],
)
def test_the_tables_of_codes_are_the_registry(heading: str, codes: dict[str, str]) -> None:
    assert {row["code"]: row["meaning"] for row in UPLOAD.table(heading)} == codes


def test_the_limits_of_files_are_those_that_are_held() -> None:
    rows = UPLOAD.table("Limits of files")
    told = {
        row["limit"]: [int(n.replace(",", "")) for n in re.findall(r"[0-9][0-9,]*", row["at most"])] for row in rows
    }
    mib = 1024**2
    assert told == {
        "unpacked": [sources.MAX_TABLE_BYTES >> 30],
        "columns": [headers.MAX_COLUMNS],
        "a value, a line": [lines.MAX_CELL_CHARS, lines.MAX_LINE_CHARS],
        "a workbook: cells with a value": [workbook_parts.MAX_CELLS, workbook_parts.MAX_AREA],
        "a workbook: one sheet, the texts of all": [
            workbook_parts.MAX_SHEET_BYTES // mib,
            workbook_parts.MAX_STRINGS_BYTES // mib,
        ],
        "nesting of JSON and XML": [records.MAX_DEPTH],
        "an object of JSON": [json_feed.MAX_RECORD_BYTES // mib, json_feed.MAX_RECORD_VALUES],
        "a record of XML": [xml_feed.MAX_RECORD_CHARS, xml_feed.MAX_RECORD_LEAVES],
        "OpenStreetMap: nodes of shops drawn as areas": [osm_pbf.MAX_NODES],
        "items of one file, which are all in memory at once": [items.MAX_ITEMS],
    }
    prose = UPLOAD.prose
    assert f"Up to {headers.MAX_TITLE_ROWS} rows" in prose
    assert f"more than {records.MAX_COLUMN_DEPTH} deep" in prose


def test_the_default_speeds_are_those_of_the_estimate_and_of_the_settings() -> None:
    rows = {row["mode"]: row for row in FIND.table("Travel")}
    assert set(rows) == {mode.value for mode in Mode}
    for mode, speed in DEFAULT_SPEEDS.items():
        row = rows[mode.value]
        assert (float(row["speed_kmh"]), float(row["detour"])) == (speed.speed_kmh, speed.detour)
        assert factors_of(row["hour_factor"]) == speed.hour_factors
        of_settings = [Settings.model_fields[f"{mode.value}_{name}"].default for name in vars_of(speed)]
        assert of_settings == list(vars_of(speed).values())


def vars_of(speed: ModeSpeed) -> dict[str, object]:
    return {"speed_kmh": speed.speed_kmh, "detour": speed.detour, "hour_factors": speed.hour_factors}


def factors_of(text: str) -> tuple[float, ...]:
    if text == "1 at every hour":
        return (1.0,) * 24
    found = re.fullmatch(r"([\d.]+) from (\d+) to (\d+) and from (\d+) to (\d+), else 1", text)
    assert found, text
    factor, *edges = map(float, found.groups())
    slow = {*range(int(edges[0]), int(edges[1])), *range(int(edges[2]), int(edges[3]))}
    return tuple(factor if hour in slow else 1.0 for hour in range(24))


def test_the_formula_of_the_estimate_is_the_one_that_is_computed() -> None:
    [formula] = [block.text.strip() for block in FIND.blocks("text") if block.text.startswith("travel_s")]
    by_hand = compile(formula.partition("=")[2].strip().replace("×", "*"), "formula", "eval")
    rng = np.random.default_rng(20261122)
    distances_m = np.concatenate([rng.uniform(0, 30_000, 500), np.arange(0.0, 20_001.0, 250.0)])
    for code, mode in enumerate(Mode):
        speed = DEFAULT_SPEEDS[mode]
        for hour in (3, 8):
            ones = np.ones(len(distances_m), dtype=np.int64)
            computed = EstimateTravel().times_s(
                lats=distances_m, lons=distances_m, destination=LatLon(lat=25.0, lon=121.0), distances_m=distances_m,
                modes=ones * code, hours=ones * hour,
            )  # fmt: skip
            known = {"detour": speed.detour, "hour_factor": speed.hour_factors[hour], "speed_kmh": speed.speed_kmh}
            for distance_m, travel_s in zip(distances_m.tolist(), computed.tolist(), strict=True):
                assert eval(by_hand, {"ceil": math.ceil}, known | {"distance_m": distance_m}) == travel_s


def test_the_reasons_stand_in_the_order_of_the_tests() -> None:
    in_order = [reason.text for reason in sorted(Reason) if reason is not Reason.NONE]
    assert [row["reason"] for row in FIND.table("Reasons")] == in_order


@pytest.mark.parametrize(
    ("heading", "model", "document"),
    [
        ("The request", QuoteIn, FIND),
        ("Its request", NearbyIn, FIND),
        ("Count the whole shelf", (ShelfIn, ShelfItemIn), STOCK),
        ("The request", (OrderIn, OrderLineIn), ORDER),
        ("Read orders", OrdersAsked, ORDER),
        ("Movements", MovementIn, STOCK),
        ("Partners", PartnerIn, STOCK),
        ("Send a file", ImportAsked, UPLOAD),
        ("Past imports", ImportsAsked, UPLOAD),
        ("Hours and closures", ClosureIn, UPLOAD),
        ("Whose upload is late", UploadsOfPartner, UPLOAD),
        ("A shopper's life circle", LifeCircleAsked, REACH),
        ("A store's life circle", StoreCircleAsked, REACH),
        ("Coverage", CoverageAsked, REACH),
        ("A route", RouteAsked, FIND),
        ("A shopper's token", ShopperTokenIn, TOKENS),
        ("A courier's link", CourierLinkIn, TOKENS),
        ("The stores of a box", MapStoresAsked, MAP),
    ],
)
def test_the_fields_of_requests_are_those_that_are_taken(heading: str, model: Any, document: Any) -> None:
    models = model if isinstance(model, tuple) else (model,)
    taken = {field.alias or name for one in models for name, field in one.model_fields.items()} - {"sku"}
    named = set(names_of(document.table(heading), document_column(heading)))
    assert named - {"sku"} == taken - ({"quantity"} if OrderLineIn in models else set())


def document_column(heading: str) -> str:
    others = {
        "Its request": "parameter",
        "Send a file": "parameter",
        "Past imports": "parameter",
        "A shopper's life circle": "parameter",
        "A store's life circle": "parameter",
        "Coverage": "parameter",
        "A route": "parameter",
        "The stores of a box": "parameter",
        "Read orders": "parameter",
        "Count the whole shelf": "field of the request",
        "Movements": "field of the movement",
        "Partners": "field of the terms",
        "Hours and closures": "field of the closure",
    }
    return others.get(heading, "field")


def test_the_longest_route_is_the_one_that_is_told() -> None:
    [told] = {row["limits"] for row in FIND.table("A route") if "to_lat" in row["parameter"]}
    assert f"at most {MOST_KM} km" in told


def test_the_members_of_a_note_are_members_of_its_answer() -> None:
    named = set(names_of(ORDER.table("Delivery note"), "member"))
    assert named <= set(NoteAnswer.model_fields)
    assert {"accept_by", "route", "navigation"} <= named


def test_the_results_of_movements_and_why_they_are_refused_are_those_that_are_answered() -> None:
    after = STOCK.text.split("## Movements", 1)[1]
    told = {name for name, _ in re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", after.split("## Goods", 1)[0], re.MULTILINE)}
    made = {
        code
        for path in ("domain/movements.py", "services/movements.py")
        for code in re.findall(r'refused\([^"]*"(\w+)"', (ROOT / "dispatch" / path).read_text(encoding="utf-8"))
    }
    assert len(made) == 7
    assert told == {status.value for status in MovementStatus} | made


def test_the_limits_and_defaults_of_a_quote_are_those_that_are_held() -> None:
    rows = {row["field"]: row for row in FIND.table("The request")}
    schema = QuoteIn.model_json_schema()["properties"]
    for name in ("promise_minutes", "alternatives"):
        assert rows[name]["limits"] == f"{schema[name]['minimum']}–{schema[name]['maximum']}"
        assert rows[name]["default"] == str(schema[name]["default"])
    for name in ("datum", "strategy"):
        assert rows[name]["default"] == schema[name]["default"]
    for name in ("exclude_stores", "only_stores"):
        assert rows[name]["limits"] == f"at most {schema[name]['maxItems']:,} ids"
    assert rows["lines"]["limits"].startswith(f"1–{schema['lines']['maxItems']} lines")


@pytest.mark.parametrize(
    ("kind", "heading"), [("stores", "Columns of stores"), ("stock", "Columns of stock"), ("items", "Items")]
)
def test_the_columns_of_files_and_their_other_names_are_those_that_are_known(kind: str, heading: str) -> None:
    rows = UPLOAD.table(heading)
    profile = load_profile(kind)
    assert set(names_of(rows, "field")) == profile.fields
    for row in rows:
        fields = {name.strip() for name in row["field"].split(",")}
        for name in re.split(r"[,;]", row["other names"]):
            if name.strip() != "…":
                assert profile.field_by_name.get(fold_name(name)) in fields, f"{name} in {row}"


def test_the_table_of_profiles_is_those_that_there_are() -> None:
    documented = [(row["profile"], row["of"]) for row in page("docs/profiles.md").table("Formats that are known")]
    assert documented == [(profile.name, profile.kind) for profile in format_profiles()]


def test_the_keys_of_a_profile_file_are_those_that_it_may_have() -> None:
    documented = names_of(page("docs/profiles.md").table("What a profile file says"), "key")
    assert sorted(documented) == sorted(FormatProfile.__struct_fields__)


@pytest.mark.parametrize("kind", ["stores", "stock", "items"])
def test_the_options_of_imports_exist(kind: str) -> None:
    options = {row["option"] for row in UPLOAD.table("Send a file") if row["option"]}
    of_stock_alone, of_stores_alone = {"--as-of", "--currency"}, {"--datum", "--id-from", "--country"}
    not_of = {
        "stores": of_stock_alone,
        "stock": of_stores_alone,
        "items": of_stock_alone | of_stores_alone | {"--timezone"},
    }
    known = options_of(["import", kind])
    assert known is not None
    assert options - not_of[kind] <= known


def test_the_statuses_and_actions_of_orders_are_those_of_the_state_machine() -> None:
    assert [row["status"] for row in ORDER.table("Statuses")] == list(Status)
    rows = {row["action"]: row for row in ORDER.table("Actions")}
    assert set(rows) == set(ASKED)
    for action, row in rows.items():
        allowed = {status for status in Status if action in allowed_in(status)}
        assert set(names_of([row], "from")) == allowed, action
        assert ("attempt" in names_of([row], "body")) == (Action(action) in WITH_ATTEMPT), action
    # What every action takes is no column of each.
    taken_by_all = set(ActionIn.model_fields)
    assert set(names_of([rows["decline"]], "body")) - taken_by_all == set(DeclineIn.model_fields) - taken_by_all
    assert set(names_of([rows["reassign"]], "body")) - taken_by_all == set(ReassignIn.model_fields) - taken_by_all
    assert [row["reason"] for row in ORDER.table("Decline")] == list(DeclineReason)


def test_the_events_of_orders_are_those_that_are_written() -> None:
    documented = set(names_of(ORDER.table("Events"), "event"))
    written: set[str] = set(Status)
    for path in sorted((ROOT / "dispatch" / "services").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        written |= set(re.findall(r"NewEvent\(\s*\"(\w+)\"", text))
        written |= set(re.findall(r"Action\.\w+: \"(\w+)\"", text))
    assert documented == written


def test_the_503s_of_orders_are_told_with_what_to_do() -> None:
    documented = {row["code"] for row in ORDER.table("When it does not work at once")}
    of_writes = {errors.Busy, errors.OutcomeUnknown, errors.DatabaseUnavailable, errors.ReplicaNotReady}
    assert documented == {error.code for error in of_writes}


def test_the_problems_are_those_that_can_be_answered() -> None:
    documented = {row["code"]: int(row["status"]) for row in FIND.table("Problems")}
    known = {"internal_error": problems.fault().status}
    for state in (orders.WrongAttempt("x"), orders.InvalidTransition(Action.READY, Status.HELD)):
        known[state.code] = problems.problem_of(state).status
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, errors.DispatchError) and kind is not errors.DispatchError:
            error = kind([("", "x")]) if kind is errors.InvalidInput else kind("x")
            known[error.code] = problems.problem_of(error).status
    literal = re.compile(r"Problem\(\s*(\d{3}), \"(\w+)\"")
    for path in sorted((ROOT / "dispatch" / "api").glob("*.py")):
        known |= {code: int(status) for status, code in literal.findall(path.read_text(encoding="utf-8"))}
    # What Starlette itself refuses; the others of its statuses are refused here before.
    known |= {"not_found": 404, "method_not_allowed": 405}
    assert documented == known


def test_the_table_of_permits_is_the_one_that_is_kept() -> None:
    documented = [tuple(row.values()) for row in TOKENS.table("Who may do what")]
    assert documented == [(permit.method, permit.path, permit.shopper, permit.courier) for permit in PERMITS]
    words = {word for permit in PERMITS for word in (permit.shopper, permit.courier)}
    assert words == set(Grant)
    for word in words:
        assert f"| {word} | " in TOKENS.text


def test_the_limits_of_tokens_are_those_that_are_held() -> None:
    for heading, model in (("A shopper's token", ShopperTokenIn), ("A courier's link", CourierLinkIn)):
        for row in TOKENS.table(heading):
            field = model.model_fields[row["field"]]
            limits = f"{at_least(field):,}–{at_most(field):,}"
            assert row["limits"].replace(",", "") == limits.replace(",", "")
            assert row["default"].replace(",", "") == ("" if field.is_required() else str(field.default))


def at_least(field: FieldInfo) -> int:
    return next(int(one.ge) for one in field.metadata if hasattr(one, "ge"))


def at_most(field: FieldInfo) -> int:
    return next(int(one.le) for one in field.metadata if hasattr(one, "le"))


def test_what_becomes_of_a_link_is_what_is_decided() -> None:
    *rows, moved = TOKENS.table("How long a link holds")
    told = {status: row for row in rows for status in row["the order"].split(", ")}
    assert set(told) == set(Status)
    for status in Status:
        row = told[status]
        assert (row["a new link"] == "200") == _goes_through(check_can_be_carried, status, 1, 1), status
        holds = row["the link that was given out"].startswith("holds")
        courier = Caller(role=Role.COURIER, order_id="o", attempt=1)
        assert holds == _goes_through(check_still_theirs, courier, status, 1), status
    assert "wrong_attempt" in moved["a new link"]
    assert "link_left" in moved["the link that was given out"]


def _goes_through(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except errors.DispatchError:
        return False
    return True


def test_the_codes_of_tokens_are_told_with_what_to_do() -> None:
    documented = {row["code"]: int(row["status"]) for row in TOKENS.table("When it is refused")}
    kinds = (errors.UnknownToken, errors.TokenExpired, errors.NotForThisToken, errors.LinkLeft)
    assert documented == {kind.code: problems.problem_of(kind("x")).status for kind in kinds}


def test_the_codes_of_places_are_those_of_coordinates() -> None:
    codes = {kind.code for kind in CoordinateError.__subclasses__()}
    named = set(re.findall(r"`(coordinates?_\w+)`", FIND.prose))
    assert named == codes


def test_the_parts_of_the_promise_are_named() -> None:
    parts = [row["part"] for row in FIND.table("The promise")]
    assert parts == ["prepare_s", "queue_s", "courier_s", "travel_s", "handover_s", "total_s"]
    for time in TIMES:
        assert f"`{time}`" in UPLOAD.prose

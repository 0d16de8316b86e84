"""Whoever does what the documentation shows gets what the documentation shows."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from data.demo_city import write_demo
from dispatch.api.schemas import OrderIn, OrdersIn, QuoteIn, ShelfIn, StoreIn
from dispatch.api.stock_schemas import ClosureIn
from dispatch.app import create_app
from dispatch.cli import run
from dispatch.settings import load_settings
from tests.api.client import Api, worker
from tests.docs.commands import parsed
from tests.docs.pages import Page, here_documents, page, pages, shell_commands
from tests.docs.playing import Reader, curl_request, difference, without_times

README = page("README.md")
THREE_STORES = {name: text for block in README.blocks("sh") for name, text in here_documents(block.text).items()}
BODIES: dict[str, type[BaseModel]] = {
    "/v1/quotes": QuoteIn,
    "/v1/orders/shop-1001": OrderIn,
    "/v1/orders/my-first": OrderIn,
    "/v1/orders/batch": OrdersIn,
    "/v1/stores/A1/stock": ShelfIn,
    "/v1/stores/A4": StoreIn,
    "/v1/stores/A1/closures": ClosureIn,
}


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A worker on an empty database, Friday, 20 November 2026, 10:00 in Taipei and Taiyuan."""
    async with worker(database_url, tmp_path / "data") as opened:
        yield opened


async def with_the_three_stores(api: Api) -> Reader:
    reader = Reader(api, dict(THREE_STORES))
    commands = [words for block in README.blocks("sh") for words in shell_commands(block.text)]
    imports = [words for words in commands if words[:2] == ["dispatch", "import"]]
    assert len(imports) == 2
    for words in imports:
        outcome = await reader.run_import(words)
        assert outcome["failed"] == outcome["warnings"] == 0
    return reader


@pytest.mark.parametrize(
    "name", [f"docs/{name}.md" for name in ("find", "map", "reach", "order", "stock", "tokens", "upload")]
)
async def test_answers_are_those_that_are_documented(api: Api, name: str) -> None:
    reader = await with_the_three_stores(api)
    shown = page(name)
    pairs = await reader.follow(shown)
    assert len(pairs) == len(shown.blocks("json"))
    for command, documented, real in pairs:
        assert difference(documented, real) is None, command


async def test_the_readme_shows_what_the_demo_city_answers(
    database_url: str, demo_extract: Path, tmp_path: Path
) -> None:
    stores, stock = demo_around_the_centre(tmp_path / "demo", README)
    async with worker(database_url, tmp_path / "data", roads=demo_extract) as api:
        assert (await api.import_file("stores", stores))["failed"] == 0
        assert (await api.import_file("stock", stock, as_of="now"))["failed"] == 0
        reader = Reader(api)
        [curl] = [words for words in curls_of(README) if curl_request(words).url == "/v1/quotes"]
        asked = (await reader.send(curl)).json()
        [(_, documented, real)] = [pair for pair in await reader.follow(README) if pair[0] == " ".join(curl)]
    assert difference(documented, real) is None
    assert asked["store"] == real["store"]


def curls_of(shown: Page) -> list[list[str]]:
    return [words for block in shown.blocks("sh") for words in shell_commands(block.text) if words[0] == "curl"]


async def test_the_readmes_order_is_held_confirmed_and_moves_on(api: Api) -> None:
    reader = await with_the_three_stores(api)
    curls = [words for words in curls_of(README) if curl_request(words).url.startswith("/v1/orders/")]
    placed, confirmed, moved, events = [(await reader.send(words)).json() for words in curls]
    assert (placed["status"], placed["store"]["store_id"]) == ("held", "A3")
    assert confirmed["status"] == "confirmed"
    assert (moved["status"], moved["store"]["store_id"]) == ("confirmed", "A2")
    assert moved["promised_by"] == confirmed["promised_by"] == "2026-11-20T03:00:00+00:00"
    assert [event["event"] for event in events["events"]] == ["held", "confirmed", "declined", "moved"]


def demo_around_the_centre(folder: Path, shown: Page) -> tuple[str, str]:
    """The demo's stores within some two kilometres of its centre, and what they have of the skus on the page."""
    files = write_demo(folder)
    with files.stores_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    near = [row for row in rows if abs(float(row["lat"]) - 37.87) < 0.02 and abs(float(row["lon"]) - 112.55) < 0.02]
    assert len(near) > 30
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(near)
    ids, skus = {row["store_id"] for row in near}, set(re.findall(r'"sku": "(29\d{11})"', shown.text))
    assert len(skus) == 2
    with files.stock_csv.open(encoding="utf-8") as file:
        header, *lines = file
    kept = [line for line in lines if line.split(",")[0] in ids and line.split(",")[1] in skus]
    return out.getvalue(), header + "".join(kept)


def test_the_readme_walk_can_be_walked(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPATCH_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "80")
    said, compared = "", 0
    run(["migrate"])
    for block in README.blocks("sh", "text"):
        if block.language == "text":
            assert without_times(said) == without_times(block.text)
            compared += 1
            continue
        for name, text in here_documents(block.text).items():
            Path(name).write_text(text, encoding="utf-8")
        for words in shell_commands(block.text):
            if words[0] == "dispatch" and words[1] != "serve":
                capsys.readouterr()
                assert run(words[1:]) == 0, words
                said = capsys.readouterr().out
    assert compared == 1
    assert "A2" in said


def test_the_errors_file_is_as_shown(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPATCH_DATABASE_URL", database_url)
    upload = page("docs/upload.md")
    files = THREE_STORES | {k: v for block in upload.blocks("sh") for k, v in here_documents(block.text).items()}
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    assert run(["import", "stores", "stores.csv"]) == 0
    assert run(["import", "stock", "more.csv", "--as-of", "now", "--currency", "TWD"]) == 3
    [shown] = [block.text for block in upload.blocks("csv")]
    assert Path("more.csv.errors.csv").read_text(encoding="utf-8-sig").replace("\r\n", "\n") == shown
    mended = shown.replace("six", "6").replace("A9", "A3")
    Path("more.csv.errors.csv").write_text(mended, encoding="utf-8")
    assert run(["import", "stock", "more.csv.errors.csv", "--as-of", "now", "--currency", "TWD"]) == 0
    capsys.readouterr()


def test_the_profile_shown_reads_the_file_shown(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPATCH_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "120")
    profiles = page("docs/profiles.md")
    files = THREE_STORES | {k: v for block in profiles.blocks("sh") for k, v in here_documents(block.text).items()}
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    assert run(["import", "stores", "stores.csv"]) == 0
    assert run(["import", "stock", "stock.csv", "--as-of", "now", "--currency", "TWD"]) == 0
    capsys.readouterr()
    commands = [words for block in profiles.blocks("sh") for words in shell_commands(block.text)]
    [words] = [words for words in commands if words[0] == "dispatch"]
    assert run(words[1:]) == 3
    [shown] = [block.text for block in profiles.blocks("text")]
    assert without_times(capsys.readouterr().out) == without_times(shown)


async def test_the_columns_shown_can_be_mapped_over_http(api: Api) -> None:
    reader = await with_the_three_stores(api)
    profiles = page("docs/profiles.md")
    reader.files |= {k: v for block in profiles.blocks("sh") for k, v in here_documents(block.text).items()}
    answers = [await reader.send(words) for words in curls_of(profiles)]
    [shown] = [json.loads(block.text) for block in profiles.blocks("json")]
    assert difference(shown, answers[-1].json()) is None


def test_requests_shown_are_ones_that_the_openapi_document_knows() -> None:
    document = create_app(load_settings()).openapi()
    paths = [(re.sub(r"\{\w+\}", "[^/]+", path), operations) for path, operations in document["paths"].items()]
    curls = [curl_request(words) for shown in pages() for words in curls_of(shown)]
    assert len(curls) > 10
    for asked in curls:
        path, _, query = asked.url.partition("?")
        fitting = [(pattern, operations) for pattern, operations in paths if re.fullmatch(pattern, path)]
        assert fitting, path
        # An address that is written out goes before one of which a part is a parameter.
        _, operations = min(fitting, key=lambda entry: entry[0].count("[^/]+"))
        operation = operations[asked.method.lower()]
        taken = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert {pair.partition("=")[0] for pair in query.split("&") if pair} <= taken, asked.url


def test_bodies_shown_have_fields_that_the_openapi_document_knows() -> None:
    schemas: dict[str, Any] = create_app(load_settings()).openapi()["components"]["schemas"]
    looked_at = 0
    for shown in pages():
        for words in (words for block in shown.blocks("sh") for words in shell_commands(block.text)):
            asked = curl_request(words) if words[0] == "curl" else None
            model = BODIES.get(asked.url.partition("?")[0]) if asked else None
            if asked is None or model is None or asked.data is None:
                continue
            body = model.model_validate_json(asked.data)
            fields = {model.model_fields[name].alias or name for name in body.model_fields_set}
            assert fields <= set(schemas[model.__name__]["properties"])
            looked_at += 1
    assert looked_at > 5


def test_what_was_parsed_is_what_was_meant() -> None:
    names, said = parsed(["dispatch", "import", "stock", "a.csv", "--as-of", "now"])
    assert names == ["dispatch", "import", "stock"]
    assert (said["file"], said["as_of"]) == ("a.csv", "now")

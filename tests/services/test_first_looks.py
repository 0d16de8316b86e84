"""The first look at a file: what is wrong with the request is told at once, and no large feed is read for it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain.errors import InvalidInput
from dispatch.services import import_requests
from dispatch.services.import_requests import ImportRequest, look_over

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
ROW = {"store_id": "a", "sku": "tea", "on_hand": 1, "note": "x" * 200}


def _feed(path: Path, rows: int, *, kind: str = "json") -> Path:
    if kind == "json":
        path.write_text(json.dumps([ROW] * rows))
    else:
        path.write_text("<items>" + "<item><store_id>a</store_id><sku>tea</sku><on_hand>1</on_hand></item>" * rows
                        + "</items>")  # fmt: skip
    return path


def _request(path: Path, **asked: Any) -> ImportRequest:
    given: dict[str, Any] = {"kind": "stock", "path": path, "now": NOW, "as_of": NOW}
    return ImportRequest(**given | asked)


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_a_large_feed_is_not_read_and_its_parameters_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = _feed(tmp_path / "feed", 20_000, kind=kind)
    monkeypatch.setattr(import_requests, "open_table", lambda *_: pytest.fail("it was read"))
    look_over(_request(path))
    look_over(_request(path, as_of=None))
    look_over(_request(path, mapping={"count": "on_hand"}, profile="shopify_inventory"))
    for asked, pointer in (
        ({"currency": "XXX"}, "/query/currency"),
        ({"timezone": "Asia/Nowhere"}, "/query/timezone"),
        ({"profile": "nothing like it"}, "/query/profile"),
        ({"kind": "stores", "country": "Nowhere"}, "/query/country"),
    ):
        with pytest.raises(InvalidInput) as refused:
            look_over(_request(path, **asked))
        assert [place for place, _ in refused.value.errors] == [pointer]


def test_a_small_feed_and_a_large_csv_tell_at_once_that_as_of_is_required(tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    large.write_text("store_id,sku,on_hand\n" + "a,tea,1\n" * 200_000)
    for path in (_feed(tmp_path / "small", 100), large):
        with pytest.raises(InvalidInput) as refused:
            look_over(_request(path, as_of=None))
        assert refused.value.specific_code == "as_of_required"

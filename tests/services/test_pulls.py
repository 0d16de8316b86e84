"""What is remembered of a pull: only what can be relied on, for us alone."""

import dataclasses
import hashlib
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatch.services.addresses import PullError, address_of
from dispatch.services.imports import ImportRequest
from dispatch.services.pulls import Memory, Pulled, fingerprint
from geo.datums import Datum

ADDRESS = address_of("https://erp.example/stock.csv?token=s3cret")
NOW = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
BODY = b"store_id,sku,on_hand\n"
REQUEST = ImportRequest(kind="stock", path=Path("a"), now=NOW, filename="a", as_of=NOW)


def held(folder: Path, **other: Any) -> Any:
    asked: dict[str, Any] = {"address": ADDRESS, "kind": "stock", "partner": "default"}
    return Memory.held(folder, **(asked | other))


def pulled(*, again: bool) -> Pulled:
    return Pulled(
        address=ADDRESS.shown, asked="f", sha256=hashlib.sha256(BODY).hexdigest(), import_id="i", since=NOW,
        filename="stock.csv", again=again, etag='"1"',
    )  # fmt: skip


def remembered(folder: Path, *, again: bool) -> Pulled:
    with held(folder) as memory:
        memory.part.write_bytes(BODY)
        memory.remember(pulled(again=again), memory.part)
    return pulled(again=again)


@pytest.mark.parametrize("again", [True, False])
def test_what_was_remembered_is_recalled_and_the_file_is_kept_where_it_is_needed(again: bool, tmp_path: Path) -> None:
    noted = remembered(tmp_path, again=again)
    with held(tmp_path) as memory:
        assert memory.recall("f") == noted
        assert memory.copy.exists() is again
        assert not memory.part.exists()
        memory.remember(noted, memory.copy)
        assert memory.copy.exists() is again
        memory.forget()
        assert memory.recall("f") is None


def test_what_was_asked_otherwise_is_not_recalled(tmp_path: Path) -> None:
    remembered(tmp_path, again=False)
    with held(tmp_path) as memory:
        assert memory.recall("other") is None
    for other in ({"kind": "stores"}, {"partner": "acme"}, {"address": address_of("https://erp.example/stock.csv")}):
        with held(tmp_path, **other) as memory:
            assert memory.recall("f") is None


@pytest.mark.parametrize("note", [b"", b"\xff", b"{}", b"[1]", b'{"address": 1}'])
def test_a_damaged_note_is_none(note: bytes, tmp_path: Path) -> None:
    remembered(tmp_path, again=False)
    [path] = tmp_path.glob("*.json")
    path.write_bytes(note)
    with held(tmp_path) as memory:
        assert memory.recall("f") is None


def test_a_note_whose_file_is_another_is_none(tmp_path: Path) -> None:
    remembered(tmp_path, again=True)
    with held(tmp_path) as memory:
        memory.copy.write_bytes(BODY + b"A,milk,5\n")
        assert memory.recall("f") is None
        memory.copy.unlink()
        assert memory.recall("f") is None


def test_others_may_not_read_it_and_no_secret_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "pulls"
    remembered(folder, again=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    notes = [path for path in files if path.suffix == ".json"]
    assert len(notes) == 1
    for path in [path for path in files if path.suffix in (".json", ".lock")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any("s3cret" in path.name or b"s3cret" in path.read_bytes() for path in files)


def test_one_process_at_a_time_has_it(tmp_path: Path) -> None:
    with held(tmp_path):
        with pytest.raises(PullError, match="another process") as refused, held(tmp_path):
            pass
        assert refused.value.soon
        with held(tmp_path, partner="acme"):
            pass
    with held(tmp_path):
        pass


def test_what_was_left_unfinished_is_cleared_away(tmp_path: Path) -> None:
    with held(tmp_path) as memory:
        memory.part.write_bytes(BODY)
        memory.part.with_name(memory.part.name + ".gz").write_bytes(BODY)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_the_fingerprint_is_of_what_is_asked() -> None:
    base = fingerprint(REQUEST, as_of_now=False)
    later = NOW + timedelta(hours=1)
    same = dataclasses.replace(REQUEST, path=Path("b"), now=later, filename="b", dry_run=True)
    assert fingerprint(same, as_of_now=False) == base
    others: list[dict[str, Any]] = [
        {"as_of": later}, {"mode": "snapshot"}, {"datum": Datum.GCJ02}, {"mapping": {"a": "b"}}, {"timezone": "UTC"},
        {"currency": "TWD"}, {"encoding": "big5"}, {"profile": "x"}, {"force": True}, {"id_from": ("a",)},
    ]  # fmt: skip
    prints = {fingerprint(dataclasses.replace(REQUEST, **other), as_of_now=False) for other in others}
    assert len(prints | {base}) == len(others) + 1
    assert fingerprint(REQUEST, as_of_now=True) == fingerprint(
        dataclasses.replace(REQUEST, as_of=later), as_of_now=True
    )


def test_a_note_is_plain_json(tmp_path: Path) -> None:
    remembered(tmp_path, again=False)
    [path] = tmp_path.glob("*.json")
    assert msgspec.json.decode(path.read_bytes())["address"] == "https://erp.example/stock.csv"

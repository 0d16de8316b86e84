"""The shops of OpenStreetMap extracts as stores; extracts are written by osmium, and areas checked by hand."""

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import osmium
import pytest
from osmium.osm.mutable import Node, Relation, Way

from dispatch.ingest.formats import osm_pbf
from dispatch.ingest.formats.osm_pbf import SHOPS
from dispatch.ingest.problems import FileProblem, RowProblem
from tests.ingest.tables import dicts_of, open_any, problems_of, written


def extract(path: Path, *objects: Any) -> Path:
    """An extract of these objects, in this order."""
    with osmium.SimpleWriter(osmium.io.File(str(path), "pbf")) as writer:
        for one in objects:
            {Node: writer.add_node, Way: writer.add_way, Relation: writer.add_relation}[type(one)](one)
    return path


def node(number: int, lon: float, lat: float, **tags: str) -> Node:
    return Node(id=number, version=1, location=(lon, lat), tags=tags)


def way(number: int, nodes: list[int], **tags: str) -> Way:
    return Way(id=number, version=1, nodes=nodes, tags=tags)


SQUARE = [node(1, 7.0, 43.0), node(2, 7.2, 43.0), node(3, 7.2, 43.2), node(4, 7.0, 43.2)]


@pytest.mark.parametrize("packed", [False, True])
def test_shops_of_every_shape_are_rows_with_a_place(tmp_path: Path, packed: bool) -> None:
    outer = ("w", 21, "outer"), ("w", 22, "outer"), ("w", 23, "inner")
    path = extract(
        tmp_path / "stores.csv",
        *SQUARE,
        node(
            5, 7.5, 43.5, shop="convenience", name="一勝", brand="7-Eleven", **{"addr:street": "Rue", "colour": "red"}
        ),
        node(6, 7.6, 43.6, shop="bakery"),
        node(7, 7.6, 43.6, amenity="bank"),
        way(20, [1, 2, 3, 4, 1], shop="supermarket", opening_hours="24/7"),
        way(21, [1, 2, 3]),
        way(22, [3, 4, 1]),
        way(24, [1, 2], shop="kiosk"),
        way(25, [1, 99, 3, 1], shop="deli"),
        Relation(id=30, version=1, members=outer, tags={"type": "multipolygon", "shop": "general"}),
        Relation(id=31, version=1, members=outer[:1], tags={"type": "multipolygon", "shop": "general"}),
        Relation(id=32, version=1, members=outer[:1], tags={"type": "site", "shop": "general"}),
    )
    if packed:
        path = written(tmp_path / "packed", gzip.compress(path.read_bytes()))
    table = open_any(path)
    assert table.columns == (
        *("osm_type", "osm_id", "lat", "lon", "name", "brand", "shop", "opening_hours", "addr:street"),
    )
    assert table.about == {"format": "osm_pbf", "shops": list(SHOPS)}
    rows = [(row["osm_type"], row["osm_id"], row["lat"], row["lon"], row["shop"]) for row in dicts_of(table)]
    assert rows == [
        ("node", "5", "43.5000000", "7.5000000", "convenience"),
        ("way", "20", "43.1000000", "7.1000000", "supermarket"),
        ("way", "24", "43.0000000", "7.1000000", "kiosk"),
        ("relation", "30", "43.1000000", "7.1000000", "general"),
    ]
    assert dicts_of(table)[0]["addr:street"] == "Rue"
    assert problems_of(table) == [
        (4, "geometry_not_a_point"),
        (6, "geometry_not_a_point"),
        (7, "geometry_not_a_point"),
    ]
    (first, *_) = [row for row in table if isinstance(row, RowProblem)]
    assert first.raw[:4] == ("way", "25", "", "")


def test_an_extract_without_shops_or_cut_short_is_refused(tmp_path: Path) -> None:
    def code_of(path: Path) -> str:
        with pytest.raises(FileProblem) as caught:
            list(open_any(path))
        return caught.value.code

    whole = extract(tmp_path / "a", *SQUARE, node(5, 7.5, 43.5, shop="kiosk"))
    content = whole.read_bytes()
    assert code_of(extract(tmp_path / "b", *SQUARE)) == "file_empty"
    assert code_of(written(tmp_path / "c", content[:-20])) == "file_damaged"
    assert code_of(written(tmp_path / "d", content[: len(content) // 2] + bytes(40))) == "file_damaged"


def test_the_nodes_that_are_held_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = extract(tmp_path / "a", *SQUARE, way(20, [1, 2, 3, 4, 1], shop="kiosk"))
    assert len(dicts_of(open_any(path))) == 1
    monkeypatch.setattr(osm_pbf, "MAX_NODES", 3)
    with pytest.raises(FileProblem) as caught:
        open_any(path)
    assert caught.value.code == "file_too_large"


def test_the_shops_of_a_real_town_are_those_that_a_plain_reading_finds(shared_file: Callable[[str], Path]) -> None:
    path = shared_file("roads/monaco.osm.pbf")
    found = Counter(one.type_str() for one in osmium.FileProcessor(str(path)) if one.tags.get("shop") in SHOPS)
    rows = dicts_of(open_any(path))
    assert sum(found.values()) > 10
    assert len(rows) == sum(found.values())
    assert Counter(row["osm_type"][0] for row in rows) == found
    assert all(43.7 < float(row["lat"]) < 43.8 and 7.3 < float(row["lon"]) < 7.6 for row in rows)

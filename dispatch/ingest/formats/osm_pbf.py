"""The shops of an OpenStreetMap extract as a table of stores, found without an index of all its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import osmium
from osmium.filter import IdFilter, TagFilter
from osmium.osm import NODE, RELATION, WAY, osm_entity_bits
from shapely import GeometryCollection, LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import polygonize

from dispatch.ingest.formats.records import Columns, Fault, Flat, row_of
from dispatch.ingest.formats.sources import PlainFile
from dispatch.ingest.problems import FileProblem, RowProblem
from dispatch.ingest.tables import RawRow

SHOPS: Final = ("convenience", "supermarket", "kiosk", "grocery", "greengrocer", "general", "deli")
"""The values of ``shop`` that make a row."""

TAGS: Final = ("name", "brand", "shop", "operator", "branch", "ref", "opening_hours", "phone", "contact:phone")
"""The tags that become columns; those of the address besides."""

MAX_ADDRESS_TAGS: Final = 40
MAX_NODES: Final = 2_000_000
"""How many nodes the shops that are drawn as areas may have together."""

_PLACE: Final = ("osm_type", "osm_id", "lat", "lon")
_ADDRESS: Final = "addr:"
# What the reader raises for blocks that are none.
_FAULTS: Final = (RuntimeError, ValueError, OSError)

type _Key = tuple[str, int]
type _Places = Mapping[int, tuple[float, float]]


class _Drawn(NamedTuple):
    """A shop that is no node: the lines it is drawn with, each by the ids of its nodes."""

    lines: Sequence[Sequence[int]]
    closed: bool


@dataclass(frozen=True, slots=True)
class OsmTable:
    """A Table over the shops of an extract, numbered from 1 in its order: nodes, then ways, then relations."""

    plain: PlainFile = field(repr=False)
    columns: tuple[str, ...]
    centres: Mapping[_Key, Point | None] = field(repr=False)
    decimal_comma: bool = False
    delimiter: str = ","

    @property
    def own_columns(self) -> int:
        return len(self.columns)

    @property
    def about(self) -> Mapping[str, Any]:
        return {"format": "osm_pbf", "shops": list(SHOPS)}

    def __iter__(self) -> Iterator[RawRow | RowProblem]:
        for row_no, flat in enumerate(_shops(self.plain.path, self.centres), 1):
            yield row_of(row_no, flat, self.columns)


def open_osm(path: Path) -> OsmTable:
    """Find the shops and the middle of those that are drawn as lines or areas.

    Raises FileProblem: ``file_empty`` when there are none, ``file_damaged``, ``file_too_large``.
    """
    plain = PlainFile(path)
    drawn = _drawn(plain.path)
    places = _places_of(plain.path, {node for shop in drawn.values() for line in shop.lines for node in line})
    centres = {key: _centre(shop, places) for key, shop in drawn.items()}
    tags: dict[str, None] = {}
    for flat in _shops(plain.path, centres):
        tags.update(dict.fromkeys(flat.values))
    if not tags:
        raise FileProblem("file_empty", f"the extract has no object with shop={' or '.join(SHOPS)}")
    address = [name for name in tags if name.startswith(_ADDRESS)][:MAX_ADDRESS_TAGS]
    columns = Columns()
    columns.add((*_PLACE, *(name for name in TAGS if name in tags), *address))
    return OsmTable(plain, columns.names(), centres)


def _shops(path: Path, centres: Mapping[_Key, Point | None]) -> Iterator[Flat]:
    """The shops as text by column, with a fault where there is no place."""
    for shop in _objects(path, NODE | WAY | RELATION, TagFilter(*(("shop", kind) for kind in SHOPS))):
        kind = "node" if shop.is_node() else "way" if shop.is_way() else "relation"
        if shop.is_node():
            centre = Point(shop.location.lon, shop.location.lat) if shop.location.valid() else None
        else:
            centre = centres.get((kind, shop.id))
        place = ("", "") if centre is None else (f"{centre.y:.7f}", f"{centre.x:.7f}")
        values = dict(zip(_PLACE, (kind, str(shop.id), *place), strict=True))
        values |= {tag.k: tag.v for tag in shop.tags if tag.k in TAGS or tag.k.startswith(_ADDRESS)}
        message = f"no place can be made of the {kind}: it is not whole in the extract, or no area"
        yield Flat(values, None if centre else Fault("lat", "geometry_not_a_point", message))


def _drawn(path: Path) -> dict[_Key, _Drawn]:
    """The shops that are ways, and those that are multipolygons by the ways of their outer rings."""
    drawn: dict[_Key, _Drawn] = {}
    rings: dict[int, list[int]] = {}
    for shop in _objects(path, WAY | RELATION, TagFilter(*(("shop", kind) for kind in SHOPS))):
        if shop.is_way():
            nodes = [node.ref for node in shop.nodes]
            drawn["way", shop.id] = _Drawn([nodes], len(nodes) > 3 and nodes[0] == nodes[-1])
        elif shop.tags.get("type") == "multipolygon":
            rings[shop.id] = [member.ref for member in shop.members if member.type == "w" and member.role != "inner"]
    ways = {way for of_relation in rings.values() for way in of_relation}
    _bound(len(ways))
    lines = {way.id: [node.ref for node in way.nodes] for way in _objects(path, WAY, IdFilter(ways))} if ways else {}
    for relation, of_relation in rings.items():
        if all(way in lines for way in of_relation):
            drawn["relation", relation] = _Drawn([lines[way] for way in of_relation], closed=True)
    return drawn


def _places_of(path: Path, nodes: set[int]) -> _Places:
    """Longitude and latitude of these nodes, as far as the extract has them."""
    _bound(len(nodes))
    if not nodes:
        return {}
    found = _objects(path, NODE, IdFilter(nodes))
    return {node.id: (node.location.lon, node.location.lat) for node in found if node.location.valid()}


def _centre(shop: _Drawn, places: _Places) -> Point | None:
    """The centroid of the area or line; None when a node of it is not in the extract, or no area is closed."""
    if not all(node in places for line in shop.lines for node in line):
        return None
    lines = [[places[node] for node in line] for line in shop.lines if line]
    shape: BaseGeometry
    if not shop.closed:
        shape = LineString(lines[0]) if lines and len(lines[0]) > 1 else Point(*lines[0]) if lines else Point()
    elif len(lines) == 1 and len(lines[0]) > 3:
        shape = Polygon(lines[0])
    else:
        shape = GeometryCollection(list(polygonize(lines)))
    centre = shape.centroid
    return None if centre.is_empty else centre


def _bound(count: int) -> None:
    if count > MAX_NODES:
        message = f"the shops of the extract are drawn with more than {MAX_NODES} nodes; cut a smaller extract"
        raise FileProblem("file_too_large", message)


def _objects(path: Path, entities: osm_entity_bits, wanted: Callable[..., object] | Any) -> Iterator[Any]:
    """The objects of the extract that the filter lets pass. Raises FileProblem ``file_damaged``."""
    try:
        yield from osmium.FileProcessor(osmium.io.File(str(path), "pbf"), entities).with_filter(wanted)
    except _FAULTS as error:
        raise FileProblem("file_damaged", "the extract cannot be read to its end; send it again") from error

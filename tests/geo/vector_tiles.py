"""Reads a Mapbox Vector Tile as far as tests ask. Source: https://github.com/mapbox/vector-tile-spec/tree/master/2.1"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

type Line = list[tuple[int, int]]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOVE, _LINE = 1, 2


class Road(NamedTuple):
    """Its lines in units of the tile, whose side has ``extent`` of them, and its attributes."""

    lines: list[Line]
    attributes: dict[str, float]


class Layer(NamedTuple):
    name: str
    extent: int
    roads: list[Road]


def layers_of(tile: bytes) -> list[Layer]:
    return [_layer(part) for number, part in _fields(tile) if number == 3 and isinstance(part, bytes)]


def _layer(data: bytes) -> Layer:
    parts = list(_fields(data))
    keys = [part.decode() for number, part in parts if number == 3 and isinstance(part, bytes)]
    values = [_value(part) for number, part in parts if number == 4 and isinstance(part, bytes)]
    [name] = [part.decode() for number, part in parts if number == 1 and isinstance(part, bytes)]
    [extent] = [part for number, part in parts if number == 5 and isinstance(part, int)]
    features = [part for number, part in parts if number == 2 and isinstance(part, bytes)]
    return Layer(name, extent, [_road(part, keys, values) for part in features])


def _road(data: bytes, keys: list[str], values: list[float]) -> Road:
    packed = {number: list(_varints(part)) for number, part in _fields(data) if isinstance(part, bytes)}
    tags = packed.get(2, [])
    return Road(_lines(packed[4]), {keys[key]: values[value] for key, value in zip(tags[::2], tags[1::2], strict=True)})


def _lines(commands: list[int]) -> list[Line]:
    lines: list[Line] = []
    x = y = at = 0
    while at < len(commands):
        command, count = commands[at] & 7, commands[at] >> 3
        assert command in (_MOVE, _LINE)
        at += 1
        for _ in range(count):
            x, y = x + _signed(commands[at]), y + _signed(commands[at + 1])
            at += 2
            if command == _MOVE:
                lines.append([])
            lines[-1].append((x, y))
    return lines


def _value(data: bytes) -> float:
    [(number, value)] = _fields(data)
    if isinstance(value, bytes):
        return float(struct.unpack("<f" if number == 2 else "<d", value)[0])
    return _signed(value) if number == 6 else value


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        else:
            size = {_FIXED32: 4, _FIXED64: 8}[kind]
        yield key >> 3, data[at : at + size]
        at += size


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at

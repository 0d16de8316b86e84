"""Reads a QR code that is drawn as SVG, by ISO/IEC 18004 and by nothing of what has made it. Mends no errors."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree

# By version from 1 to 40: error correction codewords of a block, and blocks, of each level.
_OF_EACH_BLOCK: Final = {
    "L": [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28]
    + [30] * 14,
    "M": [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26] + [28] * 19,
    "Q": [13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30, 28, 30, 30, 30, 30, 28]
    + [30] * 14,
    "H": [17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28, 30, 24] + [30] * 18,
}
_BLOCKS: Final = {
    "L": [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18,
          19, 19, 20, 21, 22, 24, 25],
    "M": [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31,
          33, 35, 37, 38, 40, 43, 45, 47, 49],
    "Q": [1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20, 23, 23, 25, 27, 29, 34, 34, 35, 38, 40,
          43, 45, 48, 51, 53, 56, 59, 62, 65, 68],
    "H": [1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25, 25, 34, 30, 32, 35, 37, 40, 42, 45, 48,
          51, 54, 57, 60, 63, 66, 70, 74, 77, 81],
}  # fmt: skip
_LEVELS: Final = {0b01: "L", 0b00: "M", 0b11: "Q", 0b10: "H"}
_QUIET: Final = 4
_BYTES_MODE: Final = 0b0100

type Modules = list[list[bool]]


def svg_of_data_url(url: str) -> str:
    """The document in a ``data:`` URL of an SVG image."""
    head, _, text = url.partition(",")
    assert head == "data:image/svg+xml;charset=utf-8", head
    return unquote(text)


def text_in(svg: str) -> str:
    """What a reader of codes says it holds. AssertionError for what is no code, or not in bytes."""
    modules = _modules_of(svg)
    size = len(modules)
    version, rest = divmod(size - 17, 4)
    assert rest == 0, size
    around = [(8, i) for i in (*range(6), 7, 8)] + [(i, 8) for i in (7, *range(5, -1, -1))]
    form = int("".join(str(int(modules[row][column])) for row, column in around), 2) ^ 0b101010000010010
    level, mask = _LEVELS[form >> 13], form >> 10 & 7
    bits = [int(modules[row][column] ^ _masked(mask, row, column)) for row, column in _in_order(version)]
    words = [int("".join(map(str, bits[i : i + 8])), 2) for i in range(0, len(bits) - 7, 8)]
    read = "".join(f"{word:08b}" for word in _data_of(words, version, level))
    assert int(read[:4], 2) == _BYTES_MODE
    digits = 8 if version < 10 else 16
    count, begin = int(read[4 : 4 + digits], 2), 4 + digits
    return bytes(int(read[begin + 8 * i : begin + 8 * i + 8], 2) for i in range(count)).decode("ascii")


def _modules_of(svg: str) -> Modules:
    """Dark or not, by row and column, without the quiet zone, which must be there and on white."""
    root = ElementTree.fromstring(svg)
    width = int(root.attrib["viewBox"].split()[2])
    ground, dark = root.iter("{http://www.w3.org/2000/svg}path")
    assert (ground.attrib["fill"], ground.attrib["d"]) == ("#fff", f"M0 0h{width}v{width}h-{width}z")
    assert dark.attrib["stroke"] == "#000"
    size = width - 2 * _QUIET
    modules = [[False] * size for _ in range(size)]
    x, y = 0.0, 0.0
    for step, said in re.findall(r"([Mmh])([-\d. ]+)", dark.attrib["d"]):
        values = [float(value) for value in said.split()]
        if step == "h":
            for column in range(int(x), int(x + values[0])):
                modules[int(y) - _QUIET][column - _QUIET] = True
            x += values[0]
        else:
            x, y = (values[0], values[1]) if step == "M" else (x + values[0], y + values[1])
    return modules


def _masked(mask: int, row: int, column: int) -> bool:
    product = row * column
    terms = (
        row + column & 1, row & 1, column % 3, (row + column) % 3, row // 2 + column // 3 & 1,
        product % 2 + product % 3, product % 2 + product % 3 & 1, (row + column) % 2 + product % 3 & 1,
    )  # fmt: skip
    return terms[mask] == 0


def _in_order(version: int) -> Iterator[tuple[int, int]]:
    """The modules that hold data, in its order: up and down in pairs of columns from the right."""
    size = version * 4 + 17
    right, upwards = size - 1, True
    while right > 0:
        if right == 6:
            right = 5
        for i in range(size):
            row = size - 1 - i if upwards else i
            yield from ((row, column) for column in (right, right - 1) if not _is_pattern(version, row, column))
        right, upwards = right - 2, not upwards


def _is_pattern(version: int, row: int, column: int) -> bool:
    """Whether a module is there to find and to read the code by."""
    size = version * 4 + 17
    low, high = min(row, column), max(row, column)
    in_finder = (row < 9 and column < 9) or (row < 9 and column >= size - 8) or (row >= size - 8 and column < 9)
    in_version = version >= 7 and low < 6 and size - 11 <= high < size - 8
    return in_finder or in_version or 6 in (row, column) or _in_alignment(version, row, column)


def _in_alignment(version: int, row: int, column: int) -> bool:
    if version == 1:
        return False
    size, count = version * 4 + 17, version // 7 + 2
    step = 26 if version == 32 else (version * 4 + count * 2 + 1) // (count * 2 - 2) * 2
    places = [6, *sorted(size - 7 - step * i for i in range(count - 1))]
    at_finders = ((6, 6), (6, size - 7), (size - 7, 6))
    return any(abs(row - y) <= 2 and abs(column - x) <= 2 for y in places for x in places if (y, x) not in at_finders)


def _data_of(words: list[int], version: int, level: str) -> list[int]:
    """The codewords without those that mend errors; blocks are told word by word in turn."""
    blocks, mending = _BLOCKS[level][version - 1], _OF_EACH_BLOCK[level][version - 1]
    short = len(words) // blocks - mending
    longer = len(words) % blocks
    lengths = [short] * (blocks - longer) + [short + 1] * longer
    told: list[list[int]] = [[] for _ in lengths]
    turns = ((block, i) for i in range(short + 1) for block, length in enumerate(lengths) if i < length)
    for (block, _), word in zip(turns, words, strict=False):
        told[block].append(word)
    return [word for block in told for word in block]

"""What the places of a file say of one another: right stores are never refused, wrong ones are found out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.ingest.moves import MAX_LOOKED_AT
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.stores import RowProblems, StoreOptions, StoreRow, read_stores
from geo.coordinates import Datum, LatLon
from geo.datums import from_wgs84
from tests.ingest.tables import StoresRead, opened

# A country of four regions side by side, an island of the first far out in the sea, towns in each:
#
#     i        N0  N1
#              S0  S1
CORNERS = {"N0": (42.0, -100.0), "N1": (42.0, -96.0), "S0": (39.0, -100.0), "S1": (39.0, -96.0)}
ISLAND = (21.3, -157.8)


@dataclass(frozen=True)
class Shop:
    lat: float
    lon: float
    region: str
    city: str


def chain(random: Random, size: int) -> list[Shop]:
    """Shops in towns of the four regions, thirty and more in each, and some on the island."""
    shops = []
    for region, (south, west) in CORNERS.items():
        towns = [(random.uniform(south, south + 3), random.uniform(west, west + 4)) for _ in range(5)]
        for i in range(30 + size):
            lat, lon = towns[i % 5]
            shops.append(Shop(lat + random.gauss(0, 0.05), lon + random.gauss(0, 0.05), region, f"town {i % 5}"))
    shops += [Shop(ISLAND[0] + i / 10, ISLAND[1], "N0", "harbour") for i in range(random.randrange(4))]
    return shops


def table(shops: Sequence[Shop]) -> str:
    rows = (f"{i},{one.lat:.6f},{one.lon:.6f},{one.region},{one.city}\n" for i, one in enumerate(shops))
    return "id,lat,lon,state,city\n" + "".join(rows)


def codes_of(folder: Path, shops: Sequence[Shop]) -> dict[int, set[str]]:
    """The codes of the bad rows by the number of the shop."""
    read = StoresRead(opened(folder, table(shops)), StoreOptions(country="US"))
    found: dict[int, set[str]] = {}
    for one in read.problems:
        found.setdefault(one.row_no - 2, set()).add(one.code)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**9), size=st.integers(0, 60))
def test_right_stores_are_never_errors_islands_or_few_of_them(folder: Path, seed: int, size: int) -> None:
    random = Random(seed)
    shops = chain(random, size)
    assert codes_of(folder, shops) == {}
    assert codes_of(folder, random.sample(shops, random.randrange(1, len(shops)))) == {}


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**9))
def test_a_row_moved_amid_another_region_is_an_error_and_no_other_row_is(folder: Path, seed: int) -> None:
    random = Random(seed)
    shops = chain(random, 0)
    # A town in the middle of S1 with shops all around, so that what is moved there is amid them.
    shops += [Shop(40.5 + random.uniform(-0.1, 0.1), -94 + random.uniform(-0.1, 0.1), "S1", "hub") for _ in range(60)]
    moved = random.randrange(30)
    shops[moved] = Shop(40.5, -94.0, "N0", shops[moved].city)
    assert shops[moved].region == "N0"
    found = codes_of(folder, shops)
    assert found.keys() == {moved}
    assert found[moved] <= {"not_in_region", "not_in_city"}


def test_a_row_across_the_border_from_its_neighbours_is_right(tmp_path: Path) -> None:
    # A town on a straight border: every shop but one on the west of it, the rest of that one's region far away.
    random = Random(5)
    west = [Shop(40 + random.uniform(-0.1, 0.1), -100 - random.uniform(0, 0.2), "W", "a") for _ in range(40)]
    east = [Shop(40 + random.uniform(-0.1, 0.1), -95 + random.uniform(0, 0.2), "E", "b") for _ in range(40)]
    assert codes_of(tmp_path, [*west, *east, Shop(40.0, -99.995, "E", "a over the river")]) == {}


def test_a_region_misspelt_is_no_wrong_place_where_the_city_is_known(tmp_path: Path) -> None:
    random = Random(6)
    around = [(random.uniform(-0.1, 0.1), random.uniform(-0.1, 0.1)) for _ in range(40)]
    shops = [Shop(40 + d, -100 + e, "MA", "Boston") for d, e in around]
    shops += [Shop(32 + d, -90 + e, "MS", "Jackson") for d, e in around]
    assert codes_of(tmp_path, [*shops, Shop(40.0, -100.0, "MS", "Boston")]) == {}
    assert codes_of(tmp_path, [*shops, Shop(40.0, -100.0, "MS", "Natchez")]) == {80: {"not_in_region"}}


def test_regions_that_are_no_places_on_the_map_make_no_errors(tmp_path: Path) -> None:
    random = Random(7)
    mixed = [
        Shop(40 + random.uniform(-1, 1), -100 + random.uniform(-1, 1), random.choice(["franchise", "own"]), "")
        for _ in range(300)
    ]
    east = [Shop(39.75 + i / 10, -90.25 + j / 10, "East", "") for i in range(6) for j in range(6)]
    assert codes_of(tmp_path, [*mixed, *east, Shop(40.0, -90.0, "own", "")]) == {}
    west = [Shop(one.lat, one.lon, "West", "") for one in mixed]
    assert codes_of(tmp_path, [*west, *east, Shop(40.0, -90.0, "West", "")]) == {336: {"not_in_region"}}


def test_where_a_tenth_of_a_region_would_be_wrong_the_region_is_meant_otherwise(tmp_path: Path) -> None:
    random = Random(8)
    around = [(random.uniform(-0.2, 0.2), random.uniform(-0.2, 0.2)) for _ in range(40)]
    shops = [Shop(40 + d, -100 + e, "A", "") for d, e in around[:20]]
    for region, lon in (("B", -90.0), ("C", -80.0), ("D", -110.0)):
        shops += [Shop(40 + d, lon + e, region, "") for d, e in around]
    strays = [Shop(40.0, lon, "A", "") for lon in (-90.0, -80.0, -110.0)]
    # Two of 22 are fewer than a tenth, three of 23 more.
    assert codes_of(tmp_path, [*shops, *strays[:2]]) == {140: {"not_in_region"}, 141: {"not_in_region"}}
    assert codes_of(tmp_path, [*shops, *strays]) == {}


def read_all(folder: Path, places: Sequence[LatLon], known: Sequence[LatLon], options: StoreOptions) -> list[object]:
    text = "id,lat,lon\n" + "".join(f"{i},{one.lat:.6f},{one.lon:.6f}\n" for i, one in enumerate(places))
    now = {str(i): place for i, place in enumerate(known)}
    return list(read_stores(opened(folder, text), options=options, known=now))


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**9),
    size=st.integers(10, 60),
    datum=st.sampled_from([Datum.GCJ02, Datum.BD09]),
    spread_deg=st.sampled_from([0.1, 1.0, 6.0]),
)
def test_a_chain_in_another_datum_is_found_out(
    folder: Path, seed: int, size: int, datum: Datum, spread_deg: float
) -> None:
    random = Random(seed)
    places = [
        LatLon(lat=34 + random.uniform(-spread_deg, spread_deg), lon=110 + random.uniform(-spread_deg, spread_deg))
        for _ in range(size)
    ]
    told = [from_wgs84(place, datum) for place in places]
    # A few have really moved besides.
    told[: size // 5] = [LatLon(lat=one.lat + 0.3, lon=one.lon) for one in told[: size // 5]]
    with pytest.raises(FileProblem, match=f"in {datum}.*datum={datum}.*force") as caught:
        read_all(folder, told, places, StoreOptions(datum=Datum.WGS84))
    assert caught.value.code == "datum_changed"
    forced = read_all(folder, told, places, StoreOptions(datum=Datum.WGS84, force=True))
    assert all(isinstance(row, StoreRow) for row in forced)
    right = read_all(folder, told, places, StoreOptions(datum=datum))
    assert all(isinstance(row, StoreRow) for row in right)
    # The other way about: it was known wrongly, and now the file is right.
    with pytest.raises(FileProblem, match=f"known had been in {datum}|in wgs84"):
        read_all(folder, places, told, StoreOptions(datum=Datum.WGS84))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**9), spread_m=st.floats(0.0, 800.0))
def test_stores_that_moved_each_its_own_way_have_not_changed_their_datum(
    folder: Path, seed: int, spread_m: float
) -> None:
    random = Random(seed)
    places = [LatLon(lat=48 + random.uniform(-1, 1), lon=9 + random.uniform(-1, 1)) for _ in range(60)]
    moved = [
        LatLon(
            lat=one.lat + random.uniform(-spread_m, spread_m) / 111_000,
            lon=one.lon + random.uniform(-spread_m, spread_m) / 74_000,
        )
        for one in places
    ]
    assert len(read_all(folder, moved, places, StoreOptions())) == 60


@pytest.mark.parametrize(("count", "moved", "caught"), [(10, 6, True), (10, 5, False), (9, 9, False)])
def test_three_in_five_of_ten_known_stores_make_a_datum(tmp_path: Path, count: int, moved: int, caught: bool) -> None:
    places = [LatLon(lat=48.0 + i / 50, lon=9.0) for i in range(count)]
    told = [LatLon(lat=one.lat + 0.002 * (i < moved), lon=one.lon) for i, one in enumerate(places)]
    if caught:
        with pytest.raises(FileProblem, match=r"6 of the 10 .* by about 222 m, all by about the same way"):
            read_all(tmp_path, told, places, StoreOptions())
    else:
        assert len(read_all(tmp_path, told, places, StoreOptions())) == count


def test_of_many_known_stores_some_are_looked_at(tmp_path: Path) -> None:
    places = [LatLon(lat=48.0 + i / 5000, lon=9.0) for i in range(MAX_LOOKED_AT + 500)]
    told = [LatLon(lat=one.lat, lon=one.lon + 0.004) for one in places]
    with pytest.raises(FileProblem, match="2,000 of the 2,000 stores looked at"):
        read_all(tmp_path, told, places, StoreOptions())


def test_a_place_in_the_wrong_half_of_the_world_tells_its_mend(tmp_path: Path) -> None:
    # Without the sign it lies in China, whose datum nobody has to say here.
    read = StoresRead(opened(tmp_path, "id,lat,lon,country\nA1,40.7,74.0,US\nA2,31.1,121.4,USA\n"))
    assert [one.code for one in read.problems] == ["outside_country"] * 2
    assert read.problems[1].message == "the place is in CN, not in US"
    assert read.problems[0].message.endswith("; lat 40.7, lon -74 would be")


def test_the_country_of_a_row_goes_before_that_of_the_import(tmp_path: Path) -> None:
    text = "id,lat,lon,addr:country\nA1,25.03,121.56,TW\nA2,25.03,121.57,\nA3,22.3,114.17,\nA4,25.03,121.58,Formosa\n"
    read = StoresRead(opened(tmp_path, text), StoreOptions(country="CN"))
    assert [(one.row_no, one.code) for one in read.problems] == [(3, "outside_country"), (5, "outside_country")]
    assert [store.store_id for store in read.stores] == ["A1", "A3"]


def test_one_place_is_told_of_with_the_row_that_has_it_and_never_twice_of_one_store(tmp_path: Path) -> None:
    text = "id,lat,lon\nA1,25.03,121.56\nA2,25.1,121.5\nA3,25.0300001,121.56\nA1,25.03,121.56\n"
    results = StoresRead(opened(tmp_path, text)).results
    assert [row.warnings[0].message for row in results if isinstance(row, StoreRow) and row.warnings] == [
        "row 2 has the same place"
    ]
    assert [one.code for row in results if isinstance(row, RowProblems) for one in row.problems] == ["duplicate_store"]

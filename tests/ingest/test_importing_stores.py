"""Rows to stores: every column, every doubt told, and the real files."""

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain.hours import HoursError, check_opening_hours
from dispatch.domain.stores import Store
from dispatch.ingest.problems import FileProblem
from dispatch.ingest.stores import StoreOptions, match_store_columns, stable_id
from geo import zones
from geo.coordinates import Datum, LatLon
from geo.datums import from_wgs84
from geo.travel import Mode
from tests.ingest.tables import StoresRead, open_table, opened

SQUARE = "POLYGON((121 24,122 24,122 26,121 26,121 24))"


def _store(folder: Path, columns: str, values: str, options: StoreOptions | None = None) -> Store:
    read = StoresRead(opened(folder, f"store_id,lat,lon,{columns}\nA1,25.03,121.56,{values}\n"), options)
    assert read.problems == []
    return read.stores[0]


def test_every_column_reaches_the_store(tmp_path: Path) -> None:
    text = (
        "store_id\tname\tbrand\tpartner\tregion\taddress\tlat\tlon\tphone\ttimezone\topening_hours\t"
        "delivery_radius_m\tdelivery_zone\tmode\tprepare_s\tprepare_line_s\tqueue_per_order_s\t"
        "courier_s\thandover_s\tmax_open_orders\tactive\n"
        "007\t一勝\t7-11\tacme\t台中市\t  沙田路\u3000一段 432 \t24.5\t121.5\t02-2345 6789\t"
        f"Asia/Tokyo\tMo-Fr 08:00-22:00\t2500.5\t{SQUARE}\tFoot\t0\t10\t20.0\t３０\t40\t5\t否\n"
    )
    read = StoresRead(opened(tmp_path, text))
    assert read.problems == []
    assert read.warnings == []
    (store,) = read.stores
    zone = store.delivery_zone
    assert zone is not None
    assert zone.bounds == (121.0, 24.0, 122.0, 26.0)
    assert store == Store(
        store_id="007",
        place=LatLon(lat=24.5, lon=121.5),
        timezone="Asia/Tokyo",
        partner="acme",
        name="一勝",
        brand="7-11",
        region="台中市",
        address="沙田路 一段 432",
        phone="02-2345 6789",
        opening_hours="Mo-Fr 08:00-22:00",
        delivery_radius_m=2500.5,
        delivery_zone=zone,
        mode=Mode.FOOT,
        prepare_s=0,
        prepare_line_s=10,
        queue_per_order_s=20,
        courier_s=30,
        handover_s=40,
        max_open_orders=5,
        active=False,
    )


def test_hours_are_refused_in_a_file_as_they_are_in_a_body(tmp_path: Path) -> None:
    for text in ("sometimes", "Mo-Fr 25:99", ";", '09:00-21:00 ""x'):
        read = StoresRead(opened(tmp_path, f'store_id,lat,lon,opening_hours\nA1,25.03,121.56,"{text}"\n'))
        [problem] = read.problems
        assert (problem.column, problem.code) == ("opening_hours", "opening_hours_invalid")
        with pytest.raises(HoursError) as refused:
            check_opening_hours(text.replace('""', '"'))
        # In a file the message is cut where it is long.
        assert str(refused.value)[:100] in problem.message


def test_a_zone_that_crosses_itself_once_it_is_turned_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crosswise(place: LatLon, datum: Datum) -> LatLon:
        return LatLon(lat=place.lat if place.lon < 121.5 else 50 - place.lat, lon=place.lon)

    monkeypatch.setattr(zones, "to_wgs84", crosswise)
    columns = "store_id,lat,lon,datum,delivery_zone"
    read = StoresRead(opened(tmp_path, f'{columns}\nA1,25.03,121.56,gcj02,"{SQUARE}"\n'))
    [problem] = read.problems
    assert (problem.code, "once it is turned from gcj02" in problem.message) == ("delivery_zone_invalid", True)


def test_what_the_row_does_not_say_comes_from_the_options_then_from_the_place(tmp_path: Path) -> None:
    assert _store(tmp_path, "name", "").timezone == "Asia/Taipei"
    assert _store(tmp_path, "name", "NaN").name is None
    options = StoreOptions(partner="acme", timezone="Asia/Tokyo")
    store = _store(tmp_path, "timezone,partner", ",", options)
    assert (store.timezone, store.partner) == ("Asia/Tokyo", "acme")
    store = _store(tmp_path, "timezone,partner", "Asia/Seoul,other", StoreOptions(timezone="Asia/Tokyo"))
    assert (store.timezone, store.partner) == ("Asia/Seoul", "other")
    assert store.active
    assert store.opening_hours is None


def test_all_that_is_wrong_with_a_row_is_told_at_once_in_the_files_own_column_names(tmp_path: Path) -> None:
    read = StoresRead(opened(tmp_path, "Shop Code,Latitude,lng,mode,active\na/b,x,,cart,maybe\nA1,25,121.5,foot,1\n"))
    assert [(one.row_no, one.column, one.code) for one in read.problems] == [
        (2, "Shop Code", "store_id_invalid"),
        (2, "lng", "lon_missing"),
        (2, "Latitude", "number_invalid"),
        (2, "mode", "mode_invalid"),
        (2, "active", "flag_invalid"),
    ]
    assert {one.raw for one in read.problems} == {("a/b", "x", "", "cart", "maybe")}
    assert [store.store_id for store in read.stores] == ["A1"]


@pytest.mark.parametrize("text", ["inf", "-inf", "0x10", "1_0", "1 0", "٣", "1,5", "--1", "1e", "."])
def test_what_is_no_plain_number_is_no_number(tmp_path: Path, text: str) -> None:
    read = StoresRead(opened(tmp_path, f"store_id\tlat\tlon\tprepare_s\nA1\t25\t121.5\t{text}\n"))
    assert [one.code for one in read.problems] == ["number_invalid"]


@pytest.mark.parametrize("nothing", ["", " ", "null", "NaN", "#N/A"])
def test_what_says_nothing_is_nothing_in_every_field(tmp_path: Path, nothing: str) -> None:
    names = [field.name for field in fields(Store) if field.name not in ("store_id", "place")]
    header, values = "\t".join([*names, "datum", "country"]), "\t".join([nothing] * (len(names) + 2))
    read = StoresRead(opened(tmp_path, f"store_id\tlat\tlon\t{header}\nA1\t25.03\t121.56\t{values}\n"))
    assert read.problems == []
    assert read.stores == [Store(store_id="A1", place=LatLon(lat=25.03, lon=121.56), timezone="Asia/Taipei")]
    assert read.warnings == []


@pytest.mark.parametrize("nothing", ["", "null", "nan"])
def test_a_place_of_nothing_is_missing(tmp_path: Path, nothing: str) -> None:
    read = StoresRead(opened(tmp_path, f"store_id\tlat\tlon\nA1\t{nothing}\t121.5\n"))
    assert [(one.column, one.code) for one in read.problems] == [("lat", "lat_missing")]


@pytest.mark.parametrize(
    ("lat", "lon"),
    [("25,03", "121,5654"), ("２５.０３", "１２１．５６５４"), ("+25.03", "1.215654e2"), (" 25.0300 ", "121.5654")],
)
def test_coordinates_as_people_write_them(tmp_path: Path, lat: str, lon: str) -> None:
    read = StoresRead(opened(tmp_path, f"id;lat;lon\nA1;{lat};{lon}\n"))
    assert [store.place for store in read.stores] == [LatLon(lat=25.03, lon=121.5654)]


def test_a_decimal_comma_between_commas_is_refused(tmp_path: Path) -> None:
    read = StoresRead(opened(tmp_path, 'id,lat,lon\nA1,"25,121",121.5\n'))
    assert [one.code for one in read.problems] == ["number_invalid"]


def test_a_declared_datum_is_undone_in_mainland_china_by_option_and_by_column(tmp_path: Path) -> None:
    true = LatLon(lat=37.87, lon=112.55)
    for datum in (Datum.GCJ02, Datum.BD09):
        told = from_wgs84(true, datum)
        for header, value, options in (
            ("id,lat,lon", "", StoreOptions(datum=datum)),
            ("id,lat,lon,datum", f",{datum.upper()[:-2]}-{datum[-2:]}", StoreOptions(datum=Datum.WGS84)),
        ):
            read = StoresRead(opened(tmp_path, f"{header}\nA1,{told.lat!r},{told.lon!r}{value}\n"), options)
            (store,) = read.stores
            assert abs(store.place.lat - true.lat) < 1e-8
            assert abs(store.place.lon - true.lon) < 1e-8
    read = StoresRead(opened(tmp_path, "id,lat,lon\nA1,37.87,112.55\n"), StoreOptions(datum=Datum.WGS84))
    assert read.stores[0].place == true


def test_a_zone_is_in_the_datum_of_its_row(tmp_path: Path) -> None:
    corners = [LatLon(lat=lat, lon=lon) for lat, lon in ((37.8, 112.5), (37.8, 112.6), (37.9, 112.6), (37.8, 112.5))]
    told = ",".join(f"{p.lon!r} {p.lat!r}" for p in (from_wgs84(corner, Datum.GCJ02) for corner in corners))
    text = f'id,lat,lon,delivery_zone\nA1,37.83,112.58,"POLYGON(({told}))"\n'
    (store,) = StoresRead(opened(tmp_path, text), StoreOptions(datum=Datum.GCJ02)).stores
    assert store.delivery_zone is not None
    assert store.delivery_zone.bounds == pytest.approx((112.5, 37.8, 112.6, 37.9), abs=1e-8)


def test_the_first_of_two_rows_with_one_id_stands_and_the_second_names_it(tmp_path: Path) -> None:
    read = StoresRead(opened(tmp_path, "id,lat,lon\nA1,25,121.5\n\n A1 ,26,121.5\nA2,25,121.5\n"))
    assert [(one.row_no, one.code) for one in read.problems] == [(4, "duplicate_store")]
    assert "row 2" in read.problems[0].message
    assert [store.store_id for store in read.stores] == ["A1", "A2"]


def test_an_id_made_of_other_columns_is_stable(tmp_path: Path) -> None:
    options = StoreOptions(id_from=("brand", "City", "address"))
    text = (
        "brand,city,address,lat,lon\n"
        "7-Eleven,Sparrows Point,5230 North  Pt.,39.2,-76.4\n"
        "7-ELEVEN,sparrows point,5230 NORTH PT. ,1,1\n"
    )
    read = StoresRead(opened(tmp_path, text), options)
    # printf '7-eleven\x1fsparrows point\x1f5230 north pt.' | sha256sum
    assert [store.store_id for store in read.stores] == ["7-eleven-sparrows-point-5230-north-pt-91b76f73a916"]
    assert [one.code for one in read.problems] == ["duplicate_store"]
    with pytest.raises(FileProblem, match="state") as caught:
        StoresRead(opened(tmp_path, text), StoreOptions(id_from=("brand", "state")))
    assert caught.value.code == "column_missing"
    with pytest.raises(FileProblem, match="id_from"):
        StoresRead(opened(tmp_path, text))


@given(
    st.lists(st.text(max_size=80), min_size=1, max_size=4).filter(lambda values: bool("".join("".join(values).split())))
)
def test_a_made_id_fits_and_does_not_mind_case_and_spaces(values: list[str]) -> None:
    made = stable_id(values)
    assert 1 <= len(made) <= 64
    assert "/" not in made
    assert made.isprintable()
    assert stable_id([f"  {value.replace(' ', '   ')}\t" for value in values]) == made
    assert stable_id([*values, "x"]) != made


def test_swapped_places_are_told_by_the_declared_country(tmp_path: Path) -> None:
    for text, options in (
        ("id,lat,lon\nA1,78.0,21.0\n", StoreOptions(country="in")),
        ("id,lat,lon,Country Code\nA1,78.0,21.0,IND\n", StoreOptions(country="US")),
    ):
        read = StoresRead(opened(tmp_path, text), options)
        assert [(one.row_no, one.column, one.code) for one in read.problems] == [(2, "lat", "coordinates_swapped")]


@pytest.mark.parametrize(("inside", "warned"), [(8, True), (7, False)])
def test_without_a_declared_country_four_rows_in_five_make_one(tmp_path: Path, inside: int, warned: bool) -> None:
    places = [f"21.{i},78.0" for i in range(inside)] + [f"78.{i},21.0" for i in range(10 - inside)]
    read = StoresRead(opened(tmp_path, "id,lat,lon\n" + "".join(f"{i},{p}\n" for i, p in enumerate(places))))
    swapped = [one.code for one in read.warnings if one.code == "maybe_swapped"]
    assert swapped == (["maybe_swapped"] * (10 - inside) if warned else [])


def test_the_chains_of_taiwan_are_read_whole(shared_file: Callable[[str], Path]) -> None:
    read = StoresRead(open_table(shared_file("stores/tw_convenience_2020.csv")))
    assert read.problems == []
    assert Counter(one.code for one in read.warnings) == {"same_place": 53}
    assert len({store.store_id for store in read.stores}) == 10_244
    assert len(Counter(store.brand for store in read.stores)) == 4
    assert {store.timezone for store in read.stores} == {"Asia/Taipei"}


def test_the_three_places_wrong_in_nature_are_errors_and_no_right_one_is(shared_file: Callable[[str], Path]) -> None:
    table = open_table(shared_file("stores/us_7eleven_2026.csv"))
    options = StoreOptions(country="US", id_from=("brand", "city", "state", "address"))
    assert match_store_columns(table, options=options).ignored == ()
    read = StoresRead(table, options)
    # Denver at the Canadian border, Irvine in Yellowstone, Cleveland (Tennessee) in the Arctic.
    assert [(one.row_no, one.column, one.code) for one in read.problems] == [
        (126, "lat", "not_in_city"),
        (810, "lat", "not_in_city"),
        (1905, "lat", "outside_country"),
    ]
    assert len({store.store_id for store in read.stores}) == 9_523
    # Each across a river from another state, and far from the rest of its own.
    assert [(one.row_no, one.code) for one in read.warnings] == [(3556, "far_from_region"), (6124, "far_from_region")]


def test_shops_of_tokyo_are_read_by_their_osm_id(shared_file: Callable[[str], Path]) -> None:
    read = StoresRead(open_table(shared_file("stores/tokyo_centre_osm.csv")))
    assert read.problems == []
    assert len(read.stores) == 204
    assert sum(store.opening_hours is not None for store in read.stores) == 88


def test_an_import_of_a_partner_takes_no_row_of_another(tmp_path: Path) -> None:
    table = opened(
        tmp_path, "store_id,lat,lon,合作方\nA,25,121.5,other\nB,25,121.6,acme\nC,25,121.7,\nD,25,121.8,default\n"
    )
    of_acme = StoresRead(table, StoreOptions(partner="acme"))
    assert [store.store_id for store in of_acme.stores] == ["B", "C"]
    assert [(one.row_no, one.column, one.code) for one in of_acme.problems] == [
        (2, "合作方", "store_of_other_partner"),
        (5, "合作方", "store_of_other_partner"),
    ]
    assert of_acme.problems[0].message == "the row is of partner 'other', the import of 'acme'"
    assert [store.partner for store in StoresRead(table).stores] == ["other", "acme", "default", "default"]

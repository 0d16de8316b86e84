"""Settings: where they come from, and the one line for a wrong one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from dispatch.commands import listing
from dispatch.settings import Settings, SettingsError, load_settings, unknown_variables
from geo.travel import Mode
from geo.travel.estimate import DEFAULT_SPEEDS


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("DISPATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_the_documentation_names(tmp_path: Path) -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.workers, settings.insecure) == ("127.0.0.1", 8000, 1, False)
    assert settings.data_dir == (tmp_path / "var").resolve()
    assert settings.database_url is None
    assert settings.stock_stale_after_s == 129_600
    assert settings.accept_s == 300
    assert (settings.prepare_s, settings.prepare_line_s, settings.courier_s, settings.handover_s) == (300, 30, 60, 120)


def test_the_default_speeds_are_those_of_the_estimate() -> None:
    settings = load_settings()
    for mode in Mode:
        speed = DEFAULT_SPEEDS[mode]
        assert getattr(settings, f"{mode}_speed_kmh") == speed.speed_kmh
        assert getattr(settings, f"{mode}_detour") == speed.detour
        assert getattr(settings, f"{mode}_hour_factors") == speed.hour_factors


def test_an_override_comes_before_the_environment_and_that_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DISPATCH_PORT=1\nDISPATCH_HOST=from-file\nDISPATCH_WORKERS=3\nOTHER=x\n")
    monkeypatch.setenv("DISPATCH_PORT", "2")
    monkeypatch.setenv("DISPATCH_HOST", "from-environment")
    settings = load_settings(port=4, host=None)
    assert (settings.port, settings.host, settings.workers) == (4, "from-environment", 3)


def test_hour_factors_are_a_json_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_FOOT_HOUR_FACTORS", str([1.5] * 24))
    assert load_settings().foot_hour_factors == (1.5,) * 24


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("*", ("*",)),
        ("https://shop.example", ("https://shop.example",)),
        (" https://Shop.Example:443 ,http://localhost:3000,, ", ("https://shop.example", "http://localhost:3000")),
        ('["https://shop.example", "capacitor://localhost"]', ("https://shop.example", "capacitor://localhost")),
        ("http://[::1]:80,http://[::1]", ("http://[::1]",)),
    ],
)
def test_origins_are_told_with_commas_or_as_a_json_list_and_kept_as_browsers_write_them(
    monkeypatch: pytest.MonkeyPatch, said: str, meant: tuple[str, ...]
) -> None:
    assert load_settings().cors_origins == ()
    monkeypatch.setenv("DISPATCH_CORS_ORIGINS", said)
    assert load_settings().cors_origins == meant


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_DATABASE_URL", "")
    assert load_settings().database_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISPATCH_PORT", "80000"),
        ("DISPATCH_PORT", "http"),
        ("DISPATCH_WORKERS", "0"),
        ("DISPATCH_MODE", "rocket"),
        ("DISPATCH_STOCK_STALE_AFTER_S", "-1"),
        ("DISPATCH_FOOT_SPEED_KMH", "nan"),
        ("DISPATCH_FOOT_SPEED_KMH", "0"),
        ("DISPATCH_EBIKE_DETOUR", "0.9"),
        ("DISPATCH_CAR_HOUR_FACTORS", "[1, 1]"),
        ("DISPATCH_CAR_HOUR_FACTORS", str([0.5] * 24)),
        ("DISPATCH_CAR_HOUR_FACTORS", "1, 2, 3"),
        ("DISPATCH_DATABASE_URL", "mysql://localhost/x"),
        ("DISPATCH_POOL_MIN", "11"),
        ("DISPATCH_ROADS_URL", "ftp://localhost"),
        ("DISPATCH_ROADS_URL", "localhost:8002"),
        ("DISPATCH_ROADS_URL", "http://"),
        ("DISPATCH_ROADS_URL", "http://localhost:99999"),
        ("DISPATCH_ROADS_URL", "http://[::1"),
        ("DISPATCH_ROADS_URL", "http://localhost?key=1"),
        ("DISPATCH_ROADS_ENGINE", "graphhopper"),
        ("DISPATCH_CAR_ROADS_PROFILE", "car/v2"),
        ("DISPATCH_CAR_ROADS_TOP_KMH", "3"),
        ("DISPATCH_CORS_ORIGINS", "shop.example"),
        ("DISPATCH_CORS_ORIGINS", "https://shop.example, localhost:3000"),
        ("DISPATCH_CORS_ORIGINS", "https://shop.example/"),
        ("DISPATCH_CORS_ORIGINS", "https://shop.example/map"),
        ("DISPATCH_CORS_ORIGINS", "https://shop.example?x=1"),
        ("DISPATCH_CORS_ORIGINS", "https://shop.example#"),
        ("DISPATCH_CORS_ORIGINS", "https://me@shop.example"),
        ("DISPATCH_CORS_ORIGINS", "https://shop.example:99999"),
        ("DISPATCH_CORS_ORIGINS", "https://shop.example *.example"),
        ("DISPATCH_CORS_ORIGINS", "https://"),
        ("DISPATCH_CORS_ORIGINS", "https://店.example"),
        ("DISPATCH_CORS_ORIGINS", "*, https://shop.example"),
        ("DISPATCH_CORS_ORIGINS", '["https://shop.example"'),
        ("DISPATCH_CORS_ORIGINS", "[1]"),
        ("DISPATCH_PUBLIC_URL", "shop.example"),
        ("DISPATCH_PUBLIC_URL", "ftp://shop.example"),
        ("DISPATCH_PUBLIC_URL", "https://"),
        ("DISPATCH_PUBLIC_URL", "https://shop.example:99999"),
        ("DISPATCH_PUBLIC_URL", "https://shop.example/?a=1"),
        ("DISPATCH_PUBLIC_URL", "https://shop.example/?"),
        ("DISPATCH_PUBLIC_URL", "https://shop.example/#a"),
        ("DISPATCH_PUBLIC_URL", "https://me:password@shop.example"),
        ("DISPATCH_PUBLIC_URL", "https://shop.example/a b"),
        ("DISPATCH_PUBLIC_URL", "https://商店.example"),
        ("DISPATCH_PUBLIC_URL", "https://shop.example/" + "x" * 180),
        ("DISPATCH_SECRET", "x" * 31),
    ],
)
def test_a_bad_value_gets_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_message_and_no_repr_tells_the_password() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(database_url="mysql://me:hunter2@localhost/x")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(load_settings(database_url="postgresql://me:hunter2@localhost/x"))


def test_no_message_and_no_repr_tells_the_secret() -> None:
    with pytest.raises(SettingsError, match=r"DISPATCH_SECRET has 14 characters.*openssl rand") as caught:
        load_settings(secret="hunter2hunter2")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    settings = load_settings(secret="hunter2-" * 4)
    assert settings.secret == "hunter2-" * 4
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


def test_the_list_of_settings_shows_no_secret_and_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    listing.run(
        load_settings(
            secret="hunter2-" * 4,
            database_url="postgresql://me:hunter2@localhost/x",
            roads_url="http://me:hunter2@roads",
            public_url="https://shop.example",
        )
    )
    said = capsys.readouterr().out
    assert "hunter2" not in said
    assert "DISPATCH_SECRET=    (now set (not shown))" in said
    assert "DISPATCH_PUBLIC_URL=    (now https://shop.example)" in said


@pytest.mark.parametrize("given", ["https://shop.example/life", "https://shop.example/life/", "http://127.0.0.1:8000/"])
def test_the_public_address_has_no_slash_at_its_end(given: str) -> None:
    assert load_settings(public_url=given).public_url == given.rstrip("/")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings().port = 1


def test_an_override_that_is_no_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match="prot"):
        load_settings(prot=1)


def test_a_misspelt_variable_is_found_with_the_name_it_was_meant_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_PROT", "1")
    monkeypatch.setenv("DISPATCH_PORT", "1")
    assert unknown_variables() == {"DISPATCH_PROT": "DISPATCH_PORT"}


def test_every_setting_says_what_it_is() -> None:
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert Settings.model_fields
    assert not silent


def test_nothing_is_read_when_the_module_is_imported() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import dispatch.settings"],
        env=os.environ | {"DISPATCH_PORT": "nonsense"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ROADS": "a.osm.pbf", "FOOT_SPEED_KMH": "4.5"}, "FOOT_SPEED_KMH is 4.5 km/h; on roads it can be 4.8 to 25"),
        ({"ROADS": "a.osm.pbf", "CAR_ROAD_KMH": "9"}, "CAR_ROAD_KMH is 9 km/h; on roads it can be 10 to 140"),
        (
            {"ROADS_URL": "http://roads", "EBIKE_ROAD_KMH": "70"},
            "EBIKE_ROAD_KMH is 70 km/h; on roads it can be 6 to 60",
        ),
        ({"ROADS_URL": "http://me:secret@roads", "ROADS": "a.osm.pbf"}, "both set; .*take one of them away"),
        ({"CAR_ROADS_URL": "http://me:secret@roads"}, "set without DISPATCH_ROADS_URL"),
        ({"ROADS_URL": "http://a", "CAR_ROADS_URL": "http://me:secret@roads"}, "DISPATCH_ROADS_ENGINE=osrm"),
        ({"ROADS_URL": "http://me:secret@[::1"}, "not the address of a server, such as"),
    ],
)
def test_roads_that_contradict_each_other_are_refused_with_the_mend_and_without_a_password(
    given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"DISPATCH_{name}", value)
    with pytest.raises(SettingsError, match=said) as refused:
        load_settings()
    assert "secret" not in str(refused.value)


def test_a_routing_server_may_lie_below_a_path_and_each_mode_may_have_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_ROADS_URL", "https://roads.example/osrm/")
    monkeypatch.setenv("DISPATCH_ROADS_ENGINE", "OSRM")
    monkeypatch.setenv("DISPATCH_CAR_ROADS_URL", "http://127.0.0.1:5001")
    settings = load_settings()
    assert (settings.roads_url, settings.roads_engine) == ("https://roads.example/osrm", "osrm")
    assert (settings.foot_roads_url, settings.car_roads_url) == (None, "http://127.0.0.1:5001")
    assert "roads.example" not in repr(settings)


def test_tiles_are_named_with_whose_they_are() -> None:
    url = "https://tiles.example.org/{z}/{x}/{y}.png"
    settings = load_settings(tiles_url=url, tiles_attribution="© somebody", tiles_datum="GCJ02")
    assert (settings.tiles_url, settings.tiles_datum, settings.tiles_max_zoom) == (url, "gcj02", 19)
    assert load_settings(tiles_url="/tiles/{z}/{x}/{y}", tiles_attribution="us").tiles_url == "/tiles/{z}/{x}/{y}"
    with pytest.raises(SettingsError, match=r"DISPATCH_TILES_URL is set without DISPATCH_TILES_ATTRIBUTION"):
        load_settings(tiles_url=url)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("https://tiles.example.org/{z}/{x}.png", r"has no \{y\} in it"),
        ("tiles.example.org/{z}/{x}/{y}.png", "is not an address"),
        ("javascript:{z}{x}{y}", "is not an address"),
        ("//tiles.example.org/{z}/{x}/{y}.png", "is not an address"),
        ("https://tiles-{s}.example.org/{z}/{x}/{y}.png", r"has \{s\}, for one of several hosts, in it"),
        ("https://tiles.example.org/{z}/{x}/{y}\n.png", "is not an address"),
    ],
)
def test_an_address_of_tiles_that_cannot_be_one_is_told(bad: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"DISPATCH_TILES_URL.*{why}"):
        load_settings(tiles_url=bad, tiles_attribution="x")

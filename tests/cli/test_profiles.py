"""dispatch profiles, and imports by a profile: one that is recognised, one by name, one of a file."""

from pathlib import Path

import pytest

from dispatch.ingest.profiles import format_profiles
from tests.cli.conftest import Run

STORES = "store_id,lat,lon\nA1,25.03,121.56\n"
TILL = """\
name = "ourtill"
kind = "stock"
title = "Our till"

[names]
store_id = ["Filiale"]
sku = ["Artikel"]

[on_hand_by_value]
column = "Lage"
counts = { "viel" = 3, "leer" = 0 }
"""


def test_every_profile_is_listed_with_its_columns(run: Run) -> None:
    said = run("profiles").out
    for profile in format_profiles():
        assert f"{profile.name} ({profile.kind})\n    {profile.title}\n" in said
        for header in profile.detect:
            assert ", ".join(header.all) in said
    of_stock = run("profiles", "stock").out
    assert "sap_material_stock" in of_stock
    assert "overpass" not in of_stock


def test_a_file_is_imported_by_a_profile_file(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "stores.csv").write_text(STORES)
    (tmp_path / "till.csv").write_text("Filiale,Artikel,Lage\nA1,a,viel\nA1,b,leer\nA1,c,etwas\n")
    (tmp_path / "ourtill.toml").write_text(TILL)
    assert run_here("import", "stores", "stores.csv").code == 0
    ran = run_here("import", "stock", "till.csv", "--as-of", "now", "--profile", "ourtill.toml")
    assert ran.code == 3
    assert "Read by the profile ourtill" in ran.out
    assert "row 4, Lage: 'etwas' is no quantity: say in a profile" in ran.out
    errors = (tmp_path / "till.csv.errors.csv").read_text(encoding="utf-8-sig")
    assert errors.splitlines()[0] == "Filiale,Artikel,Lage,row,column,code,message"
    (tmp_path / "mended.csv").write_text(errors.replace("etwas", "leer"))
    again = run_here("import", "stock", "mended.csv", "--as-of", "now", "--profile", "./ourtill.toml")
    assert again.code == 0


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("ourtil.toml", "there is no profile file ourtil.toml"),
        ("./", "is not a file"),
        ("wrong.toml", "--profile: nmae (line 2): is no key of a profile"),
        ("latin.toml", "latin.toml is not UTF-8"),
        ("large.toml", "larger than a profile may be"),
        ("ourtill", "--profile: there is no profile 'ourtill' of stock"),
    ],
)
def test_a_profile_that_cannot_be_is_told_in_a_line(run_here: Run, tmp_path: Path, profile: str, said: str) -> None:
    (tmp_path / "till.csv").write_text("store_id,sku,on_hand\n")
    (tmp_path / "wrong.toml").write_text("# ours\nnmae = 'x'\n")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    (tmp_path / "large.toml").write_text("#" * 100_001)
    ran = run_here("import", "stock", "till.csv", "--as-of", "now", "--profile", profile)
    assert ran.code == 1
    assert said in ran.error_line

"""Help, version, and mistakes in what was typed: one line each, and exit code 2, or 1 where the value is at fault."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from dispatch.app import VERSION
from dispatch.commands.quoting import line_of_text
from dispatch.settings import Settings
from tests.cli.conftest import Run

COMMANDS = [
    "serve", "import stores", "import stock", "import items", "imports", "imports show", "imports undo", "quote",
    "nearby", "check", "migrate", "profiles", "settings",
]  # fmt: skip


def test_the_version_is_that_of_the_service_and_of_the_package(run: Run) -> None:
    assert run("--version").out == f"lifecircle {VERSION}\n"
    assert version("lifecircle") == VERSION


def test_without_a_command_there_is_help(run: Run) -> None:
    ran = run()
    assert ran.code == 0
    assert all(name.split()[0] in ran.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str, run: Run) -> None:
    ran = run(*command.split(), "--help")
    assert ran.code == 0
    examples = ran.out.partition("Examples:")[2]
    assert f"dispatch {command}" in examples


def test_the_help_of_serve_tells_where_the_settings_are(run: Run) -> None:
    said = run("serve", "--help").out
    assert "DISPATCH_" in said
    assert "dispatch settings" in said


def test_every_setting_is_listed_and_the_database_address_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCH_DATABASE_URL", "postgresql://me:very-secret@db/x")
    monkeypatch.setenv("DISPATCH_PORT", "8009")
    said = run("settings").out
    for name in Settings.model_fields:
        assert f"DISPATCH_{name.upper()}=" in said
    assert "DISPATCH_PORT=8000    (now 8009)" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("bogus", "No such command 'bogus'"),
        ("import", "Missing command"),
        ("quote 1 2", "Missing argument 'SKU"),
        ("quote 1 x sku", "Invalid value for 'LON'"),
        ("quote -1 2 sku --explian", "--explain"),
        ("nearby 1 2 --datum mars", "'--datum'"),
        ("serve --speed 5", "No such option: --speed"),
    ],
)
def test_a_mistake_in_the_usage_is_one_line_and_exit_code_2(typed: str, said: str, run: Run) -> None:
    ran = run(*typed.split())
    assert ran.code == 2
    assert said in ran.error_line
    assert "--help" in ran.error_line


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("quote 91 2 sku", "LAT LON: "),
        ("quote nan 2 sku", "LAT LON: "),
        ("quote 0 0 sku", "LAT LON: "),
        ("quote 1 2 sku good:0", "SKU number 2: "),
        ("quote 1 2 " + "x" * 65, "SKU number 1: "),
        ("quote 1 2 sku --promise-minutes 1", "--promise-minutes: "),
        ("quote 1 2 sku --alternatives 21", "--alternatives: "),
        ("nearby 1 2 --limit 0", "--limit: "),
        ("nearby 1 2 --radius-m 1e9", "--radius-m: "),
        ("import stores nowhere.csv", "there is no file nowhere.csv"),
        ("import stores .", "is not a file"),
        ("import stock x.csv --as-of yesterday", "--as-of: "),
        ("import stock x.csv --as-of 2026-11-21", "--as-of: "),
        ("import stock x.csv --map 数量", "--map: "),
        ("serve --port 70000", "DISPATCH_PORT"),
        ("serve --host 0.0.0.0", "--insecure"),
        ("serve --host nosuch.invalid", "nosuch.invalid"),
        ("quote 1 2 sku", "dispatch serve --demo"),  # there is no database yet
        ("nearby -1 -2", "dispatch serve --demo"),
        ("serve --data-dir /proc/nowhere", "/proc/nowhere"),
    ],
)
def test_a_value_that_cannot_be_is_one_line_that_names_it(typed: str, said: str, run: Run, tmp_path: Path) -> None:
    ran = run(*typed.split())
    assert ran.code == 1
    assert said in ran.error_line
    assert not list(tmp_path.iterdir()), "nothing was made"


def test_a_variable_that_is_no_setting_is_remarked_upon(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_PROT", "1")
    assert "DISPATCH_PROT; did you mean DISPATCH_PORT?" in run("settings").error_line


def test_an_unreachable_database_is_one_line_without_its_password(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_DATABASE_URL", "postgresql://me:very-secret@127.0.0.1:1/x")
    for typed in ("serve --port 0", "migrate", "quote 1 2 sku"):
        ran = run(*typed.split())
        assert ran.code == 1
        assert "connection refused" in ran.error_line
        assert "secret" not in ran.error_line
    checked = run("check")
    assert checked.code == 1
    assert "connection refused" in checked.out


def test_a_fault_of_ours_is_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_settings: Settings) -> int:
        raise ZeroDivisionError("in the middle\nof it")

    monkeypatch.setattr("dispatch.commands.listing.run", fail)
    ran = run("settings")
    assert ran.code == 70
    assert "ZeroDivisionError: in the middle of it" in ran.error_line


@pytest.mark.parametrize(
    ("typed", "sku", "quantity"),
    [
        ("4710018000109", "4710018000109", 1),
        ("4710018000109:2", "4710018000109", 2),
        ("0001:02", "0001", 2),
        ("a:b", "a:b", 1),
        ("a:b:3", "a:b", 3),
        ("a:", "a:", 1),
        ("a:٣", "a:٣", 1),
        ("a:-1", "a:-1", 1),
    ],
)
def test_digits_after_the_last_colon_are_the_quantity(typed: str, sku: str, quantity: int) -> None:
    assert line_of_text(typed) == (sku, quantity)


def test_output_that_nobody_reads_to_the_end_is_no_error() -> None:
    script = "import sys; from dispatch.cli import run; sys.exit(run(['settings']))"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""

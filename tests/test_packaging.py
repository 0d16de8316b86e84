"""What the package and the image are built from: the pages are in them, and what they were made with is not."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_COPIED: Final = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def _sources() -> list[str]:
    """What the Dockerfile copies from the checkout."""
    return [name for found in _COPIED.findall((ROOT / "Dockerfile").read_text()) for name in found.split()]


def test_all_that_the_image_copies_is_let_into_its_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!").rstrip("/") for line in ignored if line.startswith("!")}
    sources = _sources()
    assert {"dispatch", "hatch_build.py", "requirements.lock"} <= set(sources)
    assert set(sources) <= let_in
    assert ignored[0] == "*"
    assert {"dispatch/web/node_modules", "dispatch/web/static/vendor"} <= set(ignored)
    for name in sources:
        assert (ROOT / name).exists(), name


def test_a_wheel_has_the_pages_and_not_what_they_were_made_with(tmp_path: Path) -> None:
    """Built as in the image: from a copy without .gitignore."""
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    source.mkdir()
    for name in _sources():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, source / name)
    assert (source / "dispatch/web/node_modules").is_dir(), "made by make setup"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    [wheel] = wheels.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    static = ROOT / "dispatch" / "web" / "static"
    wanted = {path.relative_to(ROOT).as_posix() for path in static.rglob("*") if path.suffix in (".js", ".css", ".svg")}
    assert "dispatch/web/static/vendor/leaflet.js" in wanted
    assert wanted <= names
    assert not [name for name in names if "node_modules" in name]

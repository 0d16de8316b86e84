"""Where the peers' programs are, and how they come onto a Debian."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

POSTGIS_PACKAGE: Final = "postgresql-postgis"  # Debian names that of its release by it, such as postgresql-15-postgis-3
REDIS_PACKAGE: Final = "redis-server"
_VERSIONS: Final = Path("/usr/lib/postgresql")
_EXTENSION: Final = "/usr/share/postgresql/{version}/extension/postgis.control"
# What these packages may have started by themselves; the bench starts servers of its own.
_SERVICES: Final = {POSTGIS_PACKAGE: "postgresql", REDIS_PACKAGE: "redis-server"}
_TIMEOUT_S: Final = 900


class CannotInstall(Exception):
    """Why the peers cannot be had; its text tells it."""


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL that has PostGIS."""
    found = [
        (int(folder.name), folder / "bin")
        for folder in _VERSIONS.glob("*")
        if folder.name.isdigit()
        and (folder / "bin" / "postgres").exists()
        and Path(_EXTENSION.format(version=folder.name)).exists()
    ]
    return max(found)[1] if found else None


def redis_program() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


def missing() -> list[str]:
    """The packages that are not there."""
    found = {POSTGIS_PACKAGE: postgres_programs(), REDIS_PACKAGE: redis_program()}
    return [package for package, program in found.items() if program is None]


def install() -> None:
    """Install what is missing, if this is root on a Debian. Raises CannotInstall."""
    packages = missing()
    if not packages:
        return
    wanted = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise CannotInstall(f"{', '.join(packages)} not found, and there is no apt-get to install them")
    if os.geteuid() != 0:
        raise CannotInstall(f"{', '.join(packages)} not found; root would install them by: {wanted}")
    _run("apt-get", "update")
    _run("apt-get", "install", "-y", "--no-install-recommends", *packages)
    for package in packages:
        subprocess.run(["service", _SERVICES[package], "stop"], capture_output=True, timeout=_TIMEOUT_S)
    if still := missing():
        raise CannotInstall(f"{', '.join(still)} not found, though apt-get has installed it")


def _run(*command: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, timeout=_TIMEOUT_S
    )
    if done.returncode:
        raise CannotInstall(f"{' '.join(command)} failed:\n{done.stdout}")

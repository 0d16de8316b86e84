"""Errors as the command line tells them: one line that says what, where and the mend."""

import re
from typing import Final

from dispatch.api.problems import Problem
from dispatch.commands.session import CommandError
from dispatch.demo import DemoError
from dispatch.domain.errors import DatabaseUnavailable, DispatchError, ImportRunning, InvalidInput
from dispatch.postgres import PostgresError
from dispatch.settings import SettingsError
from dispatch.storage.reaching import MigrationError
from geo.travel.engine import EngineUnavailable
from geo.travel.tiles import TilesError

# What has no option of its own, by the first part of the pointer.
_ARGUMENTS: Final = {"destination": "LAT LON", "lat": "LAT LON", "lon": "LAT LON", "lines": "SKU"}


def line_of(error: BaseException) -> str | None:
    """The one line for an error that was to be expected; None for a fault of ours."""
    match error:
        case CommandError() | DemoError() | SettingsError() | PostgresError() | MigrationError() | TilesError():
            return str(error)
        case InvalidInput(errors=errors):
            return "; ".join(f"{place_of(pointer)}: {detail}" for pointer, detail in errors)
        case Problem():
            told = [f"{place_of(pointer)}: {detail}" for pointer, detail in error.errors]
            return "; ".join(told) or error.detail
        case DatabaseUnavailable():
            return f"{error}; dispatch check tells more"
        case EngineUnavailable():
            return f"no travel times by road: {error}"
        case ImportRunning():
            return f"{error}; one that was killed counts as over within a minute"
        case DispatchError():
            return str(error)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror or type(error).__name__}"
        case _:
            return None


def place_of(pointer: str) -> str:
    """What the command line calls the value that the API calls by this JSON pointer."""
    if line := re.fullmatch(r"/lines/(\d+)/(?:sku|quantity)", pointer):
        return f"SKU number {int(line[1]) + 1}"
    name = pointer.removeprefix("/query").strip("/").split("/")[0]
    return _ARGUMENTS.get(name, "--" + name.replace("_", "-"))

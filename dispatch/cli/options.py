"""What several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

EPILOG = "Every setting is an environment variable DISPATCH_… or a line of .env: dispatch settings lists them all."

DataDir = Annotated[
    Path | None, typer.Option(help="Directory of the embedded database (DISPATCH_DATA_DIR).", show_default="var")
]


def settings_of(**overrides: Any) -> Any:
    """The settings, with those that were typed in place of the others."""
    from dispatch.commands import session

    return session.settings_of(**overrides)

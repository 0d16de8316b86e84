"""Commands as the documentation shows them, parsed as the program would parse them."""

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from dispatch.cli import app


def parsed(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The names of the command, and every parameter with its value. Raises TyperException for what it refuses."""
    command: Any = typer.main.get_command(app)
    names, rest, context = ["dispatch"], list(words[1:]), None
    while isinstance(command, TyperGroup):
        if rest and rest[0].startswith("-"):
            break
        context = command.make_context(names[-1], list(rest), parent=context)
        name, command, rest = command.resolve_command(context, rest)
        assert name is not None
        names.append(name)
    context = command.make_context(names[-1], list(rest), parent=context)
    return names, dict(context.params)


def options_of(names: Sequence[str]) -> set[str] | None:
    """The options of a command by its names after ``dispatch``; None if there is no such command."""
    command: Any = typer.main.get_command(app)
    for name in names:
        if not isinstance(command, TyperGroup) or name not in command.commands:
            return None
        command = command.commands[name]
    own = {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
    return own | {"--help", "-h"}


def is_group(names: Sequence[str]) -> bool:
    command: Any = typer.main.get_command(app)
    for name in names:
        command = command.commands[name]
    return isinstance(command, TyperGroup) and not isinstance(command, TyperCommand)

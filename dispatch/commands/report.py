"""The lines of dispatch check."""

from dataclasses import dataclass

from rich.console import Console


@dataclass(slots=True)
class Report:
    """Lines as they come; ``problems`` of them are bad."""

    console: Console
    problems: int = 0

    def ok(self, text: str) -> None:
        self.console.print(f"ok       {text}", soft_wrap=True)

    def problem(self, text: str) -> None:
        self.problems += 1
        self.console.print(f"problem  {text}", soft_wrap=True, style="bold red")

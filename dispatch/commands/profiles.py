"""dispatch profiles: the formats that are known by name, and what tells each."""

from collections.abc import Iterator

from dispatch.commands.session import out
from dispatch.ingest.profiles import FormatProfile, format_profiles


def run(kind: str | None) -> int:
    """Print each profile with its kind, its title, the columns by which it is recognised, and whose format it is."""
    console = out()
    for profile in format_profiles():
        if kind in (None, profile.kind):
            console.print(f"{profile.name} ({profile.kind})", style="bold", soft_wrap=True, highlight=False)
            for line in _lines(profile):
                console.print(f"    {line}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _lines(profile: FormatProfile) -> Iterator[str]:
    yield profile.title
    for header in profile.detect:
        also = f" and one of {', '.join(header.any)}" if header.any else ""
        yield f"recognised by {', '.join(header.all)}{also}"
    if profile.source is not None:
        yield profile.source

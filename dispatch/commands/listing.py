"""dispatch settings: every setting with its default, what it is now, and its meaning."""

import json
from typing import Any

from pydantic.fields import FieldInfo

from dispatch.commands.session import out
from dispatch.settings import ENV_PREFIX, Settings, is_kept_quiet


def run(settings: Settings) -> int:
    """Print the list; secrets, and addresses that may hold one, only as set or not."""
    console = out()
    for name, field in Settings.model_fields.items():
        default, now = _default(name, field), _shown(name, getattr(settings, name))
        is_now = "" if now == default else f"    (now {now})"
        console.print(f"{ENV_PREFIX}{name.upper()}={default}{is_now}", soft_wrap=True, style="bold")
        console.print(f"    {field.description or ''}", soft_wrap=True)
    return 0


def _default(name: str, field: FieldInfo) -> str:
    return _shown(name, getattr(Settings.model_construct(), name)) if field.default is not None else ""


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if is_kept_quiet(name):
        return "set (not shown)"
    if isinstance(value, tuple):
        return f"{value[0]:g} × {len(value)}" if len(set(value)) == 1 else json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Headers as the server hands them over."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a header, the first if there are several; None without any. ``name`` in small letters.

    As Starlette's Headers tell it, which take four times as long to make and to ask.
    """
    for sent, value in scope["headers"]:
        if sent == name:
            text: str = value.decode("latin-1")
            return text
    return None

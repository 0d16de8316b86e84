"""QR codes as SVG: dark on white with the quiet zone, so that they can be read on a dark page too."""

import io
from typing import Any, Final

import segno

# Without a size of its own it is drawn as large as the page or the printer wants it.
_FORM: Final[dict[str, Any]] = {"light": "white", "omitsize": True}


def svg_of(text: str) -> str:
    """A whole SVG document. Takes some 25 ms, and 80 for the longest; more than about 2,300 bytes do not go in.

    Raises ValueError for what does not.
    """
    image = io.BytesIO()
    _code(text).save(image, kind="svg", **_FORM)
    return image.getvalue().decode()


def data_url_of(text: str) -> str:
    """The same for ``src`` of an image: ``data:image/svg+xml;charset=utf-8,…``."""
    return _code(text).svg_data_uri(**_FORM)


def _code(text: str) -> segno.QRCode:
    # M: a seventh of it may be smudged. Raised for nothing where there is room.
    return segno.make_qr(text, error="m")

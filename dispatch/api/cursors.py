"""Opaque positions in the answer to one query; of another query they are refused."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from dispatch.api.problems import Problem

_json: Final = msgspec.json.Encoder().encode

FIRST_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
LAST_MOMENT: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""What the database can hold and nothing of ours is before or after; moments of queries are brought between them."""

_MICROSECOND: Final = timedelta(microseconds=1)


class Cursors[Position]:
    """The cursors of one query. ``kind`` is the type of a position, which msgspec can read."""

    def __init__(self, asked: BaseModel, kind: type[Position]) -> None:
        self._cursor: str | None = getattr(asked, "cursor")  # noqa: B009 - models of queries have one, their base has not
        self._kind: Any = tuple[str, kind]  # type: ignore[valid-type]  # a type that is known only here
        query = asked.model_dump(mode="json", exclude={"cursor", "limit"})
        self._query = hashlib.blake2b(_json(query), digest_size=8).hexdigest()

    def position(self) -> Position | None:
        """Where the last page ended. Raises Problem 400 for a cursor that is damaged or of another query."""
        if self._cursor is None:
            return None
        try:
            text = base64.b64decode(self._cursor.encode("ascii"), altchars=b"-_", validate=True)
            query, position = msgspec.json.decode(text, type=self._kind)
        except (ValueError, msgspec.MsgspecError) as error:
            raise damaged_cursor() from error
        if query != self._query:
            raise Problem(400, "invalid_cursor", "the cursor belongs to another query; begin again without it")
        found: Position = position
        return found

    def after(self, position: Position) -> str:
        """The cursor that goes on behind this position."""
        return base64.urlsafe_b64encode(_json((self._query, position))).decode("ascii")


def between_moments(moment: datetime) -> datetime:
    """The moment, or the first or last that a list knows."""
    return min(max(moment, FIRST_MOMENT), LAST_MOMENT)


def us_of(moment: datetime) -> int:
    """Microseconds since the first moment that a list knows; the database has no finer ones."""
    return (moment - FIRST_MOMENT) // _MICROSECOND


def moment_of_us(us: int) -> datetime:
    """The moment of a position. Raises Problem 400 for one that was never given out."""
    if not 0 <= us <= us_of(LAST_MOMENT):
        raise damaged_cursor()
    return FIRST_MOMENT + us * _MICROSECOND


def damaged_cursor() -> Problem:
    return Problem(400, "invalid_cursor", "the cursor is damaged; begin again without it")

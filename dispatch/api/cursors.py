"""Opaque positions in the answer to one query; of another query they are refused."""

import base64
import hashlib
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from dispatch.api.problems import Problem

_json: Final = msgspec.json.Encoder().encode


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
            raise Problem(400, "invalid_cursor", "the cursor is damaged; begin again without it") from error
        if query != self._query:
            raise Problem(400, "invalid_cursor", "the cursor belongs to another query; begin again without it")
        found: Position = position
        return found

    def after(self, position: Position) -> str:
        """The cursor that goes on behind this position."""
        return base64.urlsafe_b64encode(_json((self._query, position))).decode("ascii")

"""Files sent to the service: the request body itself, or a part of a multipart form; streamed to the disk."""

from pathlib import Path
from typing import Final

import structlog
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from dispatch.api.bodies import check_declared_size, too_large
from dispatch.api.problems import Problem
from dispatch.api.schemas import ImportAsked

_log = structlog.get_logger(__name__)

_FORM: Final = "multipart/form-data"
_MOST_FILE_NAME_CHARS: Final = 200


async def save_upload(request: Request, path: Path, *, most_bytes: int) -> str | None:
    """Write the file that the request carries to ``path``; the name it came with, if any.

    Raises Problem 413 as soon as it is known to be larger than ``most_bytes``, 400 for a broken form, 422 for one
    without a file, 503 when it cannot be stored.
    """
    check_declared_size(request, most_bytes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return await _save(request, path, most_bytes)
    except OSError as error:
        _log.error("upload_not_stored", reason=f"{type(error).__name__}: {error.strerror}")
        detail = "the file cannot be stored here now; the operator has been told"
        raise Problem(503, "upload_not_stored", detail, headers={"Retry-After": "60"}) from error


def forget(path: Path) -> None:
    """Take the file off the disk, if it ever got there."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("upload_not_removed", path=str(path), reason=f"{type(error).__name__}: {error.strerror}")


async def _save(request: Request, path: Path, most_bytes: int) -> str | None:
    media_type, options = parse_options_header(request.headers.get("content-type", "").encode("latin-1"))
    if media_type.decode("latin-1").lower() != _FORM:
        size = 0
        with path.open("wb") as out:
            async for chunk in request.stream():
                size += len(chunk)
                if size > most_bytes:
                    raise too_large(most_bytes)
                out.write(chunk)
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise Problem(400, "malformed", "the form has no boundary; let your client make the Content-Type")
    return await _save_part(request, path, boundary, most_bytes)


async def _save_part(request: Request, path: Path, boundary: bytes, most_bytes: int) -> str | None:
    with path.open("wb") as out:
        form = _Form(out.write)
        try:
            parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]  # its types want every callback
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > most_bytes:
                    raise too_large(most_bytes)
                parser.write(chunk)
        except FormParserError as error:
            raise Problem(400, "malformed", "the form is broken") from error
    if not form.ended:
        raise Problem(400, "malformed", "the form is cut short: its last boundary is missing")
    if form.fields:
        told = ", ".join(form.fields[:20])
        detail = f"the form has {told}, which is not read there: give it in the address, as ?{form.fields[0]}=…"
        raise Problem(422, "invalid_input", detail, errors=[("", detail)])
    if form.files != 1:
        detail = f"the form holds {form.files} files; send exactly one"
        raise Problem(422, "invalid_input", detail, errors=[("", detail)])
    return form.filename


class _Form:
    """Writes the part that is a file, and notes fields that are parameters, which belong into the URL."""

    def __init__(self, write: object) -> None:
        self._write = write
        self._header = b""
        self._value = b""
        self._in_file = False
        self.files = 0
        self.fields: list[str] = []
        self.ended = False
        self.filename: str | None = None

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._part_data,
            "on_end": self._end,
        }

    def _end(self) -> None:
        self.ended = True

    def _part_begin(self) -> None:
        self._in_file = False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            name = options.get(b"filename")
            if name is not None:
                self._in_file = True
                self.files += 1
                self.filename = _plain_name(name)
            elif (field := _plain_name(options.get(b"name", b""))) in ImportAsked.model_fields:
                self.fields.append(str(field))
        self._header = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file and self.files == 1:
            self._write(data[start:end])  # type: ignore[operator]  # a file's write


def _plain_name(name: bytes) -> str | None:
    """A file's name as people may see it; None if nothing is left of it."""
    text = "".join(char for char in name.decode("utf-8", "replace") if char.isprintable())
    return text[:_MOST_FILE_NAME_CHARS] or None

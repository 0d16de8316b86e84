"""Does what a page of the documentation tells its reader to do, against a running app, and keeps what came of it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from dispatch.commands.importing import is_address
from tests.api.client import Api
from tests.docs.commands import parsed
from tests.docs.pages import Page, here_documents, shell_commands

ANYTHING: Final = "…"
"""A value in a documented answer that differs from one time to the next."""

# Lengths are shown to a tenth of a metre.
_ROUNDING: Final = 0.051


@dataclass
class Reader:
    """Somebody who goes through a page from the top. ``files`` are those written with here-documents."""

    api: Api
    files: dict[str, str] = field(default_factory=dict)
    import_id: str = ""
    # What stands in a command for what was answered before it.
    answered: dict[str, str] = field(default_factory=dict)

    async def follow(self, page: Page) -> list[tuple[str, Any, Any]]:
        """Send every request of the page in its order; each command with the answer documented and the real one.

        An answer is documented by a block of JSON that follows the block of commands.
        """
        pairs: list[tuple[str, Any, Any]] = []
        command, answer = "", None
        for block in page.blocks("sh", "json"):
            if block.language == "sh":
                self.files |= here_documents(block.text)
                for words in shell_commands(block.text):
                    if words[0] == "curl":
                        command, answer = " ".join(words), await self.send(words)
                    elif words[:2] == ["dispatch", "import"] and not is_address(words[3]):
                        await self.run_import(words)
            elif answer is not None:
                pairs.append((command, json.loads(block.text), answer.json()))
                answer = None
        return pairs

    async def send(self, words: Sequence[str]) -> httpx.Response:
        """What curl would send."""
        asked = curl_request(words)
        content = None
        if asked.data is not None:
            content = (self.files[asked.data[1:]] if asked.data.startswith("@") else asked.data).encode()
        url = self._said(asked.url.replace("IMPORT_ID", self.import_id))
        headers = {name: self._said(value) for name, value in asked.headers}
        if self.api.version is not None and (asked.method == "GET" or asked.url.startswith("/v1/quotes")):
            headers["Dispatch-Min-Version"] = self.api.version
        answer = await self.api.send(asked.method, url, headers=headers, content=content)
        self.api.version = answer.headers.get("Dispatch-Version", self.api.version)
        if answer.status_code == 202:
            self.import_id = answer.json()["import_id"]
            await self.api.finished(answer.headers["Location"])
        if asked.url == "/v1/shopper-tokens":
            self.answered |= {"TOKEN": answer.json()["token"], "PREFIX": answer.json()["order_id_prefix"]}
        elif asked.url.endswith("/courier-link"):
            self.answered["LINK_TOKEN"] = answer.json()["token"]
        return answer

    def _said(self, text: str) -> str:
        for name in sorted(self.answered, key=len, reverse=True):
            text = text.replace(name, self.answered[name])
        return text

    async def run_import(self, words: Sequence[str]) -> dict[str, Any]:
        """``dispatch import``, by the same parameters over HTTP."""
        command, said = parsed(words)
        kind = command[-1]
        names = ("mode", "datum", "as_of", "partner", "timezone", "country", "currency", "encoding", "id_from")
        query = {name: said[name] for name in names if said.get(name) is not None}
        query |= {"dry_run": str(said["dry_run"]).lower(), "map": list(said["mapping"] or [])}
        outcome = await self.api.import_file(kind, self.files[said["file"]], **query)
        assert outcome["status"] == "done", outcome
        return outcome


@dataclass(frozen=True)
class CurlRequest:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    data: str | None


def curl_request(words: Sequence[str]) -> CurlRequest:
    """What a curl command asks for. AssertionError for an option that the documentation has no need of."""
    method, url, headers, data = "", "", [], None
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "-s" | "-i" | "-si":
                continue
            case "-o":
                next(rest)
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(":")
                headers.append((name, value.strip()))
            case "-d" | "--data-binary":
                data = next(rest)
            case _:
                assert not word.startswith("-"), f"curl {word}"
                assert not url, f"a second address: {word}"
                url = word
    parts = urlsplit(url)
    assert parts.netloc == "127.0.0.1:8000", url
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return CurlRequest(method or ("GET" if data is None else "POST"), path, tuple(headers), data)


def difference(documented: Any, real: Any, at: str = "") -> str | None:
    """Where a documented answer is not the real one; None if it is.

    ``…`` stands for any value; ``"…": "…"`` in an object, or ``"…"`` at the end of a list, for whatever else there is.
    """
    if documented == ANYTHING:
        return None
    if isinstance(documented, dict) and isinstance(real, dict):
        said = {name: value for name, value in documented.items() if name != ANYTHING}
        if lost := set(said) - set(real):
            return f"{at or '/'}: there is no {sorted(lost)}"
        if ANYTHING not in documented and (more := set(real) - set(said)):
            return f"{at or '/'}: not documented: {sorted(more)}"
        found = (difference(value, real[name], f"{at}/{name}") for name, value in said.items())
        return next(filter(None, found), None)
    if isinstance(documented, list) and isinstance(real, list):
        shortened = bool(documented) and documented[-1] == ANYTHING
        said_items = documented[:-1] if shortened else documented
        if len(said_items) > len(real) or (len(said_items) < len(real) and not shortened):
            return f"{at}: {len(said_items)} documented, {len(real)} there"
        pairs = enumerate(zip(said_items, real, strict=False))
        return next(filter(None, (difference(a, b, f"{at}/{i}") for i, (a, b) in pairs)), None)
    if isinstance(documented, float) and isinstance(real, float):
        return None if abs(documented - real) <= _ROUNDING else f"{at}: {documented} documented, {real} is true"
    return None if documented == real else f"{at}: {documented!r} documented, {real!r} is true"


def without_times(text: str) -> str:
    """Text with times of day made alike, and white space too."""
    return re.sub(r"\s+", " ", re.sub(r"\b\d\d:\d\d\b", "hh:mm", text)).strip()

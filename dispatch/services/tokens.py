"""Tokens that say by themselves who sends them, until when: signed, and kept nowhere.

``lct_`` and what itsdangerous makes of a short list, with HMAC-SHA-256. Whoever has a token can read it, and nobody can
change it. It ends when its time is over, or with the secret.
"""

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from dispatch.domain.callers import Caller, Role
from dispatch.domain.errors import TokenExpired, UnknownToken

PREFIX: Final = "lct_"
_SHAPE: Final = re.compile(r"lct_[A-Za-z0-9_.\-]{1,1000}")
# A token of another kind, should there ever be one of the same secret, is none of these.
_SALT: Final = "lifecircle.caller"
_RANDOM_BYTES: Final = 8


def new_order_id_prefix() -> str:
    """What the ids of a shopper's orders begin with; no other shopper has it."""
    return f"w-{secrets.token_hex(_RANDOM_BYTES)}-"


class Tokens:
    """Makes and reads tokens. Has the secret, and never shows it."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeSerializer(
            secret, salt=_SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def shopper(self, *, client: str, order_id_prefix: str, ttl_s: int, now: datetime) -> tuple[str, Caller]:
        """A token for whoever shops, and the caller that it makes of them."""
        caller = Caller(role=Role.SHOPPER, client=client, order_id_prefix=order_id_prefix, expires_at=_ends(now, ttl_s))
        return self._signed(caller, client, order_id_prefix), caller

    def courier(self, *, client: str, order_id: str, attempt: int, ttl_s: int, now: datetime) -> tuple[str, Caller]:
        """A token for whoever carries an order in this attempt, and the caller that it makes of them."""
        caller = Caller(
            role=Role.COURIER, client=client, order_id=order_id, attempt=attempt, expires_at=_ends(now, ttl_s)
        )
        return self._signed(caller, client, order_id, attempt), caller

    def read(self, token: str, *, now: datetime) -> Caller:
        """Who sends it. Raises UnknownToken for what was not signed with this secret, TokenExpired."""
        if not _SHAPE.fullmatch(token):
            raise _unknown()
        try:
            said = self._serializer.loads(token.removeprefix(PREFIX))
        except BadData:
            # Neither the token nor what is wrong with it: this may be logged.
            raise _unknown() from None
        caller = _caller_of(said)
        if caller.expires_at is None or now >= caller.expires_at:
            raise TokenExpired("this token has run out; ask for another")
        return caller

    def _signed(self, caller: Caller, *said: str | int) -> str:
        assert caller.expires_at is not None, "every token ends"
        return PREFIX + str(self._serializer.dumps([caller.role, int(caller.expires_at.timestamp()), *said]))


def _caller_of(said: Any) -> Caller:
    """The caller of a list that was signed here, perhaps by another version."""
    match said:
        case ["shopper", int(ends_s), str(client), str(order_id_prefix)]:
            return Caller(role=Role.SHOPPER, client=client, order_id_prefix=order_id_prefix, expires_at=_moment(ends_s))
        case ["courier", int(ends_s), str(client), str(order_id), int(attempt)]:
            return Caller(
                role=Role.COURIER, client=client, order_id=order_id, attempt=attempt, expires_at=_moment(ends_s)
            )
    raise _unknown()


def _ends(now: datetime, ttl_s: int) -> datetime:
    """In whole seconds, as it is signed."""
    return _moment(int((now + timedelta(seconds=ttl_s)).timestamp()))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _unknown() -> UnknownToken:
    return UnknownToken("this token was not made here, or with a secret that is no longer the one; ask for another")

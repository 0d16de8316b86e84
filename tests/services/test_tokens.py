"""Tokens tell who sends them for as long as they hold, and only what was signed here."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from itsdangerous import URLSafeSerializer

from dispatch.domain.callers import Role
from dispatch.domain.errors import TokenExpired, UnknownToken
from dispatch.services.tokens import Tokens, new_order_id_prefix

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
SECRET = "a secret of the tests, long enough to be one"
TOKENS = Tokens(SECRET)


def shopper(ttl_s: int = 1800, *, tokens: Tokens = TOKENS) -> str:
    return tokens.shopper(client="default", order_id_prefix="w-0123456789abcdef-", ttl_s=ttl_s, now=NOW)[0]


def courier() -> str:
    return TOKENS.courier(client="default", order_id="w-0123456789abcdef-1", attempt=2, ttl_s=60, now=NOW)[0]


def test_what_is_signed_is_read() -> None:
    token, made = TOKENS.shopper(client="c", order_id_prefix="w-1-", ttl_s=1800, now=NOW)
    assert TOKENS.read(token, now=NOW) == made
    assert (made.role, made.client, made.order_id_prefix, made.order_id) == (Role.SHOPPER, "c", "w-1-", None)
    assert made.expires_at == NOW + timedelta(seconds=1800)
    token, made = TOKENS.courier(client="c", order_id="o:1", attempt=3, ttl_s=60, now=NOW)
    assert TOKENS.read(token, now=NOW) == made
    assert (made.role, made.client, made.order_id, made.attempt) == (Role.COURIER, "c", "o:1", 3)


def test_it_can_stand_in_an_address_and_a_code() -> None:
    for token in (shopper(), courier()):
        assert token.startswith("lct_")
        assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
        assert len(token) < 160


def test_it_holds_until_its_last_second_is_over() -> None:
    token = shopper(60)
    TOKENS.read(token, now=NOW + timedelta(seconds=59, microseconds=999_999))
    for late_s in (60, 61, 10**9):
        with pytest.raises(TokenExpired):
            TOKENS.read(token, now=NOW + timedelta(seconds=late_s))


def test_the_time_counts_wherever_the_clock_stands() -> None:
    taipei = timezone(timedelta(hours=8))
    token, caller = TOKENS.shopper(client="c", order_id_prefix="w-", ttl_s=60, now=NOW.astimezone(taipei))
    assert TOKENS.read(token, now=NOW) == caller
    with pytest.raises(TokenExpired):
        TOKENS.read(token, now=(NOW + timedelta(seconds=60)).astimezone(taipei))


def test_no_character_of_it_can_be_another() -> None:
    """But for the bits of the last one that base64 does not use."""
    for token in (shopper(), courier()):
        for i in range(len(token) - 1):
            for other in "Aa0-.":
                if other != token[i]:
                    with pytest.raises(UnknownToken):
                        TOKENS.read(token[:i] + other + token[i + 1 :], now=NOW)
        for cut in range(len(token)):
            with pytest.raises(UnknownToken):
                TOKENS.read(token[:cut], now=NOW)


@pytest.mark.parametrize("said", ["", "lct_", "lct_.", "lct_..", "LCT_x.y", "lct_é", "lct_x\n", "lct_" + "x" * 100_000])
def test_what_is_none_is_refused(said: str) -> None:
    with pytest.raises(UnknownToken):
        TOKENS.read(said, now=NOW)


def test_a_longer_time_cannot_be_written_into_it() -> None:
    payload, signature = shopper(60).removeprefix("lct_").rsplit(".", 1)
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    said[1] += 10_000
    longer = base64.urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).rstrip(b"=").decode()
    with pytest.raises(UnknownToken):
        TOKENS.read(f"lct_{longer}.{signature}", now=NOW)


def test_another_secret_makes_other_tokens() -> None:
    with pytest.raises(UnknownToken):
        Tokens(SECRET + "!").read(shopper(), now=NOW)


def test_what_was_signed_with_this_secret_for_something_else_is_no_token() -> None:
    forms = [["shopper", 2_000_000_000, "c", "w-"], ["admin", 2_000_000_000, "c"], ["courier", 2_000_000_000], 7, None]
    ours = TOKENS._serializer
    for form in forms[1:]:
        with pytest.raises(UnknownToken):
            TOKENS.read("lct_" + str(ours.dumps(form)), now=NOW)
    TOKENS.read("lct_" + str(ours.dumps(forms[0])), now=NOW)
    signer = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    for other in (
        URLSafeSerializer(SECRET, salt="lifecircle.other", signer_kwargs=signer),
        URLSafeSerializer(SECRET, signer_kwargs=signer),
        URLSafeSerializer(SECRET, salt="lifecircle.caller"),
    ):
        with pytest.raises(UnknownToken):
            TOKENS.read("lct_" + str(other.dumps(forms[0])), now=NOW)
    same = URLSafeSerializer(SECRET, salt="lifecircle.caller", signer_kwargs=signer)
    TOKENS.read("lct_" + str(same.dumps(forms[0])), now=NOW)


def test_it_is_a_token_by_its_beginning_which_comes_once() -> None:
    for token in (shopper(), courier()):
        for said in (token.removeprefix("lct_"), "lct_" + token, "key_" + token.removeprefix("lct_")):
            with pytest.raises(UnknownToken):
                TOKENS.read(said, now=NOW)


def test_neither_the_secret_nor_the_token_is_ever_shown() -> None:
    token = shopper()
    with pytest.raises(UnknownToken) as unknown:
        TOKENS.read(token[:-5], now=NOW)
    with pytest.raises(TokenExpired) as expired:
        TOKENS.read(token, now=NOW + timedelta(days=1))
    for said in (repr(TOKENS), str(TOKENS), repr(unknown.value), repr(expired.value), repr(unknown.value.__cause__)):
        assert SECRET not in said
        assert token[4:20] not in said


def test_no_two_shoppers_have_the_same_orders() -> None:
    prefixes = {new_order_id_prefix() for _ in range(1_000)}
    assert len(prefixes) == 1_000
    assert all(len(prefix) == len("w-0123456789abcdef-") and prefix.endswith("-") for prefix in prefixes)

"""Redis: GEOSEARCH nearest first and the stock of each store, in one Lua script."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import batched
from pathlib import Path
from typing import Final, Self, cast

import numpy as np
import redis

from tests.bench.peers.asking import SPHERE_SLACK, Asked
from tests.bench.peers.own_servers import START_TIMEOUT_S, own_folder, running
from tests.bench.world import World

# No persistence, no TCP.
SETTINGS: Final = {"port": "0", "save": "", "appendonly": "no", "activedefrag": "no"}
_SOCKET_TIMEOUT_S: Final = 60
_STORES_A_CALL: Final = 5_000
_SKUS_A_CALL: Final = 100
MOST_KEPT: Final = 255

# KEYS: the places, then a sku for each line. ARGV: longitude, latitude, reach, then a quantity for each line.
# The stock of a sku is a string with a byte for each store. Tried with 20,000 stores beside a hash for each store: 206
# MB to 469 as hash tables and 45 as listpacks; for baskets with rare skus two thirds of the time of either, for best
# sellers the same. One line after the other, for mostly the first is lacking already: HMGET of all took up to twice as
# long.
# GEOSEARCH looks at all stores within the radius and sorts them whatever COUNT says, so it is the radius that grows.
_SCRIPT: Final = """
local reach, radius, seen = tonumber(ARGV[3]), 1000, 0
while true do
  radius = math.min(radius, reach)
  local stores = redis.call('GEOSEARCH', KEYS[1], 'FROMLONLAT', ARGV[1], ARGV[2], 'BYRADIUS', radius, 'm', 'ASC')
  for i = seen + 1, #stores do
    local at, has = tonumber(stores[i]), true
    for line = 2, #KEYS do
      if redis.call('GETRANGE', KEYS[line], at, at):byte() < tonumber(ARGV[line + 2]) then
        has = false
        break
      end
    end
    if has then return at end
  end
  if radius == reach then return nil end
  seen, radius = #stores, radius * 4
end
"""


class Redis:
    """Distances are great circles on a sphere, between places rounded to 52 bits."""

    name = "Redis"

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = client.script_load(_SCRIPT)

    @classmethod
    @contextlib.asynccontextmanager
    async def loaded(
        cls, world: World, program: Path, parent: Path, said: Callable[[str], None]
    ) -> AsyncIterator[Self]:
        """A server of its own with the world in it."""
        folder = own_folder(parent, "redis")
        socket = folder / "socket"
        options = [part for name, value in SETTINGS.items() for part in (f"--{name}", value)]
        with running([str(program), "--unixsocket", str(socket), *options], log=parent / "redis.log"):
            client = redis.Redis(unix_socket_path=str(socket), socket_timeout=_SOCKET_TIMEOUT_S)
            with contextlib.closing(client):
                _wait_for(client)
                said("Redis: loading")
                _load(client, world)
                yield cls(client)

    async def answer(self, asked: Asked) -> int | None:
        keys = [_key(number) for number, _ in asked.lines]
        quantities = [quantity for _, quantity in asked.lines]
        reach_m = asked.reach_m * SPHERE_SLACK
        found = self._client.evalsha(
            self._script,
            1 + len(keys),
            "places",
            *keys,
            asked.lon,
            asked.lat,
            reach_m,
            *quantities,
        )
        return None if found is None else int(cast(int, found))

    async def nothing(self) -> None:
        """A round trip."""
        self._client.ping()

    async def version(self) -> str:
        return f"Redis {cast(dict[str, str], self._client.info('server'))['redis_version']}"

    def used_mb(self) -> float:
        return int(cast(dict[str, str], self._client.info("memory"))["used_memory"]) / 1e6


def _key(sku: int) -> str:
    return f"sku:{sku}"


def _wait_for(client: redis.Redis) -> None:
    began = time.monotonic()
    while True:
        try:
            client.ping()
            return
        except (redis.ConnectionError, OSError):
            if time.monotonic() - began > START_TIMEOUT_S:
                raise
            time.sleep(0.1)


def _load(client: redis.Redis, world: World) -> None:
    for part in batched(
        zip(world.lons.tolist(), world.lats.tolist(), range(world.stores), strict=True), _STORES_A_CALL
    ):
        client.geoadd("places", [value for store in part for value in store])
    for rows in batched(_strings(world), _SKUS_A_CALL):
        with client.pipeline(transaction=False) as pipe:
            for sku, string in rows:
                pipe.set(_key(sku), string)
            pipe.execute()


def _strings(world: World) -> Iterator[tuple[int, bytes]]:
    for number, stores, on_hand, _ in world.rows():
        kept = np.zeros(world.stores, dtype=np.uint8)
        assert len(on_hand) == 0 or on_hand.max() <= MOST_KEPT, "more on a shelf than a byte holds"
        kept[stores] = on_hand
        yield number, kept.tobytes()

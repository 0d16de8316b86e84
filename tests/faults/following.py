"""A follower in a process of its own: ``python -m tests.faults.following DATABASE_URL``, for feed.py.

Lines of JSON: says "ready", then answers ["checksums", [[cell, seq], …]] once it has seen these, and ["applied", null].
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from typing import Any

from dispatch.app import store_defaults, travel_of
from dispatch.domain.versions import Version
from dispatch.replica.follower import Follower
from dispatch.settings import load_settings
from dispatch.storage.pool import Database


class NotingFollower(Follower):
    """Notes when it first had each number of a cell."""

    applied: dict[int, list[tuple[int, float]]]

    async def step(self) -> None:
        await super().step()
        now = time.monotonic()
        for cell, seq in self.replica.cursors.items():
            log = self.applied[cell]
            if not log or log[-1][0] < seq:
                log.append((seq, now))


async def main(url: str) -> None:
    settings = load_settings(database_url=url)
    database = await Database.open(url, pool_min=1, pool_max=2)
    follower = NotingFollower(
        database,
        defaults=store_defaults(settings),
        travel=travel_of(settings),
        every_s=settings.follow_every_s,
        stale_after_s=settings.replica_stale_after_s,
        monotonic=time.monotonic,
    )
    follower.applied = defaultdict(list)
    follower.start()
    assert await follower.read_since(time.monotonic(), at_most_s=30)
    _say("ready")
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        question, about = json.loads(line)
        if question == "applied":
            _say(follower.applied)
            continue
        await follower.wait_for(Version.of((cell, seq) for cell, seq in about), at_most_s=5)
        replica = follower.replica
        _say([[cell, replica.cursors[cell], *replica.checksum(cell)] for cell, _ in about])


def _say(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""Work of a thread of its own, a piece at a time, so that requests are answered meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice


async def in_batches[T](items: Iterator[T], size: int) -> AsyncIterator[list[T]]:
    """The items in lists of ``size``, each list made in a thread."""
    while batch := await asyncio.to_thread(lambda: list(islice(items, size))):
        yield batch

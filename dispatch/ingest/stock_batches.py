"""What an import of stock is told, and what it makes of a few thousand rows: columns of counts, problems, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dispatch.domain.stores import Keep, ShelfCount
from dispatch.ingest.problems import RowProblem, RowWarning


@dataclass(frozen=True, slots=True)
class StoreRef:
    """What an import of stock must know of a store that exists."""

    timezone: str
    partner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StockOptions:
    """What the import says of all rows; a column that says it of a row goes first, an empty value of it does not.

    ``now`` carries an offset. ``as_of`` may carry none: it is then local in ``timezone``, else in each store's own,
    as the values of the as_of column are. ``partner`` None: stores of any partner. ``mapping`` is source column to
    field. ``whole``: the rows are whole shelves; without it a batch tells of nothing ``spared`` or ``named``.
    """

    now: datetime
    as_of: datetime | None = None
    currency: str | None = None
    partner: str | None = None
    timezone: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


@dataclass(slots=True)
class StockBatch:
    """Good rows as columns, all of one length and in the order of the file, and what is to be told of the others.

    ``as_ofs`` are in UTC. A price is in minor units of its currency; KEEP where the row says nothing, None where it
    says ``null``, both with currency None. Rows of one (store, sku) are not summed here.

    ``spared`` tells of each bad row, as far as it can be known, whose shelf it spoke of, so that a snapshot does not
    take that shelf as absent: (store_id, sku); sku None: any shelf of the store; store_id None: of any store. A row
    that may be of several shelves spares each of them.
    ``broken`` are the shelf rows, (store_id, sku), that bad rows are of beyond doubt: a sum without one is wrong.
    ``named`` are stores of rows that are ignored and spare nothing: such a row tells that the file speaks of the store,
    with its moment, of several the oldest, at which nothing of that row was on hand.
    ``ignored`` counts the rows that by the rule of their format say nothing here, by reason.
    """

    row_nos: list[int] = field(default_factory=list)
    store_ids: list[str] = field(default_factory=list)
    skus: list[str] = field(default_factory=list)
    on_hands: list[int] = field(default_factory=list)
    price_minors: list[int | Keep | None] = field(default_factory=list)
    currencies: list[str | None] = field(default_factory=list)
    safety_stocks: list[int | Keep | None] = field(default_factory=list)
    as_ofs: list[datetime] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    warnings: list[RowWarning] = field(default_factory=list)
    spared: list[tuple[str | None, str | None]] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    named: dict[str, datetime] = field(default_factory=dict)
    bad_rows: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.row_nos)

    def counts(self) -> Iterator[ShelfCount]:
        """The good rows one by one."""
        for i in range(len(self.row_nos)):
            yield ShelfCount(
                store_id=self.store_ids[i],
                sku=self.skus[i],
                on_hand=self.on_hands[i],
                as_of=self.as_ofs[i],
                price_minor=self.price_minors[i],
                currency=self.currencies[i],
                safety_stock=self.safety_stocks[i],
            )

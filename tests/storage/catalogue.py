"""The rules of DESIGN.md, "Growing past one machine", read from PostgreSQL's catalogue and from the statements."""

import re
from collections.abc import Iterator
from typing import Any, Final

import asyncpg

# A new table without a cell must be named here, with its reason.
WITHOUT_CELL: Final = {
    "partners": "a directory: small, and for all places",
    "skus": "a directory: one common code for all partners and places",
    "imports": "the record of a file, which names stores of any place; written by one worker, seldom",
    "import_errors": "belongs to imports",
    "import_rows": "belongs to imports",
    "partner_items": "a directory: a partner's codes are the same at all of its places",
    "event_tickets": "for a minute each; whoever redeems one knows no cell, and may follow all of them",
    "alembic_version": "the migrations' own",
}
# It tells the cell of a store, so it cannot lie in one.
DIRECTORY_OF_CELLS: Final = "store_directory"
DIRECTORIES: Final = frozenset({"partners", "skus", DIRECTORY_OF_CELLS})
# Statements that look at every cell on purpose: a follower's polling, a replica's loading, the files' own look-ups
# and what is kept of them, dispatch check, the sweeper's look for cells where something has fallen due, and whose
# upload is late.
OF_ALL_CELLS: Final = frozenset(
    {
        "heads",
        "begin_undo",
        "forget_images",
        "images_of_shelves",
        "count_counted_stores",
        "read_all_stores",
        "copy_shelves",
        "left_shelves",
        "partner_places",
        "partner_stores",
        "some_stores",
        "store_refs",
        "short_orders",
        "withheld_due",
        "count_orders",
        "wrong_reserved",
        "wrong_open_orders",
        "wrong_closures",
        "wrong_events",
        "counted_by_zone",
        "count_late",
        "late_stores",
    }
)

_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
_ADVISORY: Final = re.compile(r"\bpg_(?:try_)?advisory", re.IGNORECASE)
_OF_ONE_CELL: Final = re.compile(r"\bcell\s*=\s*[\w.$:()]", re.IGNORECASE)
_INSERTS_CELL: Final = re.compile(r"\binsert\s+into\s+\w+\s*\(\s*cell\b", re.IGNORECASE)
_ASSIGNMENTS: Final = re.compile(r"\bset\b(.*?)(?:\bwhere\b|\bfrom\b|\breturning\b|$)", re.IGNORECASE | re.DOTALL)
_SETS_CELL: Final = re.compile(r"(?:^|,|\()\s*(?:\w+\.)?cell\s*(?:=|,|\))", re.IGNORECASE)
_UPDATED: Final = re.compile(r"\b(?:update|insert\s+into)\s+(?:only\s+)?(\w+)", re.IGNORECASE)


async def violations(connection: "asyncpg.Connection[Any]") -> list[str]:
    """Everything in the catalogue that breaks a rule, a line each; empty when all is well."""
    columns = await _columns(connection)
    celled = _celled(columns)
    found = [*_of_tables(columns, celled)]
    for check in (_of_keys, _of_foreign_keys, _of_sequences, _of_triggers, _of_functions):
        found += [line async for line in check(connection, celled)]
    return found


async def tables_with_cell(connection: "asyncpg.Connection[Any]") -> set[str]:
    """The tables that have a column ``cell``, the directory of cells among them."""
    return _celled(await _columns(connection))


def violations_of_statement(name: str, text: str, celled: set[str]) -> list[str]:
    """What is wrong with a named statement of the program."""
    bare = _bare(text)
    found = []
    if _ADVISORY.search(bare):
        found.append(f"statement {name}: takes an advisory lock")
    if _updates_cell(bare) and not _only_updates(bare, DIRECTORY_OF_CELLS):
        found.append(f"statement {name}: updates a cell")
    if _names(bare, celled) and not _is_of_one_cell(bare) and name not in OF_ALL_CELLS:
        found.append(f"statement {name}: names {', '.join(_names(bare, celled))} without a cell")
    return found


# ── tables ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _columns(connection: "asyncpg.Connection[Any]") -> dict[str, dict[str, tuple[str, bool]]]:
    """Type and NOT NULL of each column, by table."""
    rows = await connection.fetch(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        """
    )
    columns: dict[str, dict[str, tuple[str, bool]]] = {}
    for row in rows:
        columns.setdefault(row["relname"], {})[row["attname"]] = (row["kind"], row["attnotnull"])
    return columns


def _celled(columns: dict[str, dict[str, tuple[str, bool]]]) -> set[str]:
    return {table for table, names in columns.items() if "cell" in names}


def _of_tables(columns: dict[str, dict[str, tuple[str, bool]]], celled: set[str]) -> Iterator[str]:
    for table, names in sorted(columns.items()):
        if table in celled:
            if names["cell"] != ("bigint", True):
                yield f"table {table}: cell is not bigint NOT NULL"
        elif table not in WITHOUT_CELL:
            yield f"table {table}: has no cell and is not named among those that need none"
    for table in sorted(WITHOUT_CELL.keys() - columns.keys()):
        yield f"table {table}: is named as one without a cell and does not exist"
    for table in sorted(WITHOUT_CELL.keys() & celled):
        yield f"table {table}: is named as one without a cell and has one"


async def _of_keys(connection: "asyncpg.Connection[Any]", celled: set[str]) -> Any:
    rows = await connection.fetch(
        """
        SELECT t.relname AS name, i.relname AS index, a.attname AS first
        FROM pg_index x
        JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
        LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
        WHERE t.relnamespace = 'public'::regnamespace AND x.indisunique
        """
    )
    for row in rows:
        if row["name"] in celled - {DIRECTORY_OF_CELLS} and row["first"] != "cell":
            yield f"key {row['index']} of {row['name']}: does not begin with cell"
    keyed = {
        row["relname"]
        for row in await connection.fetch(
            "SELECT t.relname FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid WHERE x.indisprimary"
        )
    }
    for table in sorted(celled - keyed):
        yield f"table {table}: has no primary key"


async def _of_foreign_keys(connection: "asyncpg.Connection[Any]", celled: set[str]) -> Any:
    rows = await connection.fetch(
        """
        SELECT c.conname, t.relname AS name, r.relname AS target, a.attname AS first, b.attname AS target_first
        FROM pg_constraint c
        JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
        JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = c.confkey[1]
        WHERE c.contype = 'f' AND t.relnamespace = 'public'::regnamespace
        """
    )
    for row in rows:
        if row["target"] in DIRECTORIES:
            continue
        if row["name"] not in celled and row["target"] not in celled:
            continue
        if (row["first"], row["target_first"]) != ("cell", "cell"):
            yield f"foreign key {row['conname']} of {row['name']}: leaves the cell for {row['target']}"


async def _of_sequences(connection: "asyncpg.Connection[Any]", _celled: set[str]) -> Any:
    rows = await connection.fetch(
        """
        SELECT c.relname AS name, a.attname, format_type(a.atttypid, a.atttypmod) AS kind
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
          AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')
        """
    )
    for row in rows:
        if row["kind"] != "bigint":
            yield f"column {row['name']}.{row['attname']}: comes from a sequence and is {row['kind']}, not bigint"


async def _of_triggers(connection: "asyncpg.Connection[Any]", _celled: set[str]) -> Any:
    for row in await connection.fetch(
        "SELECT tgname, tgrelid::regclass::text AS name FROM pg_trigger WHERE NOT tgisinternal"
    ):
        yield f"trigger {row['tgname']} of {row['name']}: there are to be none"


# ── functions ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _of_functions(connection: "asyncpg.Connection[Any]", celled: set[str]) -> Any:
    rows = await connection.fetch(
        """
        SELECT p.proname, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS body
        FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
        """
    )
    for row in rows:
        bare = _bare(row["body"])
        if _ADVISORY.search(bare):
            yield f"function {row['proname']}: takes an advisory lock"
        for statement in bare.split(";"):
            named = _names(statement, celled)
            if _updates_cell(statement):
                yield f"function {row['proname']}: updates a cell: {_short(statement)}"
            if named and not _is_of_one_cell(statement):
                yield f"function {row['proname']}: a statement without its cell: {_short(statement)}"
            if len(named) > 1:
                yield f"function {row['proname']}: a statement on {' and '.join(named)}: {_short(statement)}"


# ── text ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _bare(text: str) -> str:
    """The statement without comments and quoted texts."""
    return _TEXT.sub("''", _COMMENT.sub(" ", text))


def _names(statement: str, celled: set[str]) -> list[str]:
    """The tables with a cell that stand where a table stands, the directory aside."""
    named = re.findall(r"\b(?:from|join|into|update|only)\s+(?:public\.)?(\w+)", statement, re.IGNORECASE)
    return sorted({name for name in named if name in celled - {DIRECTORY_OF_CELLS}})


def _is_of_one_cell(statement: str) -> bool:
    return bool(_OF_ONE_CELL.search(statement) or _INSERTS_CELL.search(statement))


def _updates_cell(statement: str) -> bool:
    return any(_SETS_CELL.search(assigned) for assigned in _ASSIGNMENTS.findall(statement))


def _only_updates(statement: str, table: str) -> bool:
    return set(_UPDATED.findall(statement)) == {table}


def _short(statement: str) -> str:
    return " ".join(statement.split())[:80]

"""The schema after every migration keeps the rules that let it grow past one machine, and each rule bites."""

import asyncpg
import pytest

from dispatch.storage.sql import statements
from tests.storage.catalogue import OF_ALL_CELLS, tables_with_cell, violations, violations_of_statement

CELLED = {
    "stores", "shelves", "changes", "cell_heads", "store_directory", "orders", "order_events", "reservations",
    "movements", "closures", "import_shelves",
}  # fmt: skip


async def _violations(url: str, planted: str = "") -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        if planted:
            await connection.execute(planted)
        return await violations(connection)
    finally:
        await connection.close()


async def test_the_schema_breaks_no_rule(database_url: str) -> None:
    assert await _violations(database_url) == []


@pytest.mark.parametrize(
    ("planted", "noticed"),
    [
        ("CREATE TABLE parcels (id bigint PRIMARY KEY)", "table parcels: has no cell"),
        ("CREATE TABLE parcels (cell integer NOT NULL, id text, PRIMARY KEY (cell, id))", "cell is not bigint"),
        ("CREATE TABLE parcels (cell bigint NOT NULL, id text)", "table parcels: has no primary key"),
        ("CREATE TABLE parcels (cell bigint NOT NULL, id text PRIMARY KEY)", "parcels_pkey of parcels: does not begin"),
        (
            "CREATE TABLE parcels (id text, cell bigint, PRIMARY KEY (id, cell))",
            "parcels_pkey of parcels: does not begin",
        ),
        ("CREATE UNIQUE INDEX by_id ON stores (store_id)", "key by_id of stores: does not begin with cell"),
        ("CREATE UNIQUE INDEX by_lower ON stores (lower(store_id))", "key by_lower of stores: does not begin"),
        (
            "CREATE TABLE parcels (cell bigint, id text, import_id text REFERENCES imports, PRIMARY KEY (cell, id))",
            "leaves the cell for imports",
        ),
        (
            "CREATE TABLE parcels (cell bigint, id bigint, store_cell bigint, store_no bigint, PRIMARY KEY (cell, id),"
            " FOREIGN KEY (store_cell, store_no) REFERENCES stores (cell, store_no))",
            "leaves the cell for stores",
        ),
        (
            "CREATE TABLE parcels (cell bigint, n integer GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (cell, n))",
            "column parcels.n: comes from a sequence and is integer",
        ),
        ("CREATE TABLE parcels (cell bigint, n serial, PRIMARY KEY (cell, n))", "parcels.n: comes from a sequence"),
        (
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER noisy AFTER INSERT ON stores EXECUTE FUNCTION nothing()",
            "trigger noisy of stores",
        ),
        (
            "CREATE FUNCTION f(p_cell bigint) RETURNS void LANGUAGE plpgsql AS $$BEGIN"
            " UPDATE stores SET active = true WHERE cell = p_cell; UPDATE shelves SET on_hand = 0; END$$",
            "function f: a statement without its cell: UPDATE shelves",
        ),
        (
            "CREATE FUNCTION f(p_cell bigint) RETURNS bigint LANGUAGE sql AS"
            " $$SELECT count(*) FROM stores s JOIN shelves h ON h.store_no = s.store_no WHERE s.cell = p_cell$$",
            "function f: a statement on shelves and stores",
        ),
        (
            "CREATE FUNCTION f(p_cell bigint) RETURNS bigint LANGUAGE sql BEGIN ATOMIC"
            " SELECT count(*) FROM stores; END",
            "function f: a statement without its cell",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_xact_lock(1); END$$",
            "function f: takes an advisory lock",
        ),
        (
            "CREATE FUNCTION f(p_cell bigint) RETURNS void LANGUAGE sql AS"
            " $$UPDATE stores SET name = 'WHERE cell = 1', cell = 2 WHERE cell = p_cell$$",
            "function f: updates a cell",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$DELETE FROM changes /* WHERE cell = 1 */$$",
            "function f: a statement without its cell",
        ),
        ("DROP TABLE import_errors", "table import_errors: is named as one without a cell and does not exist"),
        ("ALTER TABLE skus ADD cell bigint NOT NULL DEFAULT 0", "skus: is named as one without a cell and has one"),
    ],
)  # fmt: skip
async def test_what_breaks_a_rule_is_noticed(database_url: str, planted: str, noticed: str) -> None:
    found = await _violations(database_url, planted)
    assert any(noticed in line for line in found), found


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TABLE parcels (cell bigint, id text, PRIMARY KEY (cell, id)); CREATE INDEX ON parcels (id)",
        "CREATE TABLE parcels (cell bigint, id bigint GENERATED ALWAYS AS IDENTITY, store_no bigint,"
        " sku_no bigint REFERENCES skus (sku_no), PRIMARY KEY (cell, id),"
        " FOREIGN KEY (cell, store_no) REFERENCES stores)",
        "CREATE FUNCTION f(p_cell bigint) RETURNS void LANGUAGE plpgsql AS $$DECLARE n bigint; BEGIN"
        " SELECT seq INTO n FROM cell_heads WHERE cell = p_cell; INSERT INTO changes (cell, seq, n, kind, store_no,"
        " written_at) VALUES (p_cell, n, 1, 'store', 1, now()); END$$",
    ],
)  # fmt: skip
async def test_what_keeps_the_rules_is_let_be(database_url: str, planted: str) -> None:
    assert await _violations(database_url, planted) == []


async def test_every_statement_of_the_program_keeps_to_its_cell(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        celled = await tables_with_cell(connection)
    finally:
        await connection.close()
    assert celled == CELLED
    found = [line for name, text in statements().items() for line in violations_of_statement(name, text, celled)]
    assert found == []
    assert statements().keys() >= OF_ALL_CELLS


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        ("UPDATE stores SET cell = $2 WHERE cell = $1", "updates a cell"),
        ("UPDATE stores SET name = 'a', cell = $2 WHERE cell = $1", "updates a cell"),
        ("UPDATE stores SET (name, cell) = ($2, $3) WHERE cell = $1", "updates a cell"),
        (
            "INSERT INTO stores (cell) VALUES ($1) ON CONFLICT (cell) DO UPDATE SET cell = excluded.cell",
            "updates a cell",
        ),
        ("WITH a AS (UPDATE store_directory SET cell = 1) UPDATE stores SET cell = 2 WHERE cell = 1", "updates a cell"),
        ("SELECT pg_advisory_lock(1)", "advisory lock"),
        ("SELECT pg_try_advisory_xact_lock($1)", "advisory lock"),
        ("DELETE FROM changes WHERE seq < $1 -- cell = $2", "names changes without a cell"),
        ("SELECT * FROM stores s JOIN shelves h USING (store_no)", "names shelves, stores without a cell"),
    ],
)
def test_a_statement_that_breaks_a_rule_is_noticed(text: str, noticed: str) -> None:
    found = violations_of_statement("planted", text, CELLED)
    assert any(noticed in line for line in found), found


def test_the_directory_may_be_told_of_a_move() -> None:
    assert violations_of_statement("move", "UPDATE store_directory SET cell = $2 WHERE store_no = $1", CELLED) == []

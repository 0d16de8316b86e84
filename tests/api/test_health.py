"""GET /healthz and /readyz, and what is answered while the database is gone."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg

from dispatch.postgres import EmbeddedPostgres
from tests.api.client import Api, assert_problem, worker


async def test_a_worker_that_is_well_says_so(app_client: Api) -> None:
    assert (await app_client.send("GET", "/healthz")).json() == {"status": "ok"}
    await app_client.put_store("a", 25.03, 121.56)
    ready = await app_client.send("GET", "/readyz")
    assert ready.status_code == 200
    told = ready.json()
    assert (told["status"], told["stores"]) == ("ready", 1)
    assert (told["parts"]["database"], told["parts"]["replica"]) == ("ok", "ok")
    assert told["parts"]["roads"]


async def test_without_its_database_a_worker_is_alive_and_not_ready_and_no_500_comes_of_it(
    postgres: EmbeddedPostgres, template_database: str, tmp_path: Path
) -> None:
    name = f"gone_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres.url_of("postgres"))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    try:
        async with worker(postgres.url_of(name), tmp_path, replica_stale_after_s=1) as api:
            await api.put_store("a", 25.03, 121.56)
            await api.put_stock("a", tea=1)
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            assert (await api.send("GET", "/healthz")).status_code == 200
            still = await api.http.get("/v1/stores/a")
            assert still.status_code == 200, "reads go on while the replica is fresh"
            answer = await api.send("GET", "/readyz")
            assert answer.status_code == 503
            assert answer.json()["status"] == "not_ready"
            assert answer.json()["parts"]["database"] != "ok"
            async with asyncio.timeout(5):
                while (await api.send("GET", "/readyz")).json()["parts"]["replica"] == "ok":
                    await asyncio.sleep(0.1)
            body = {"items": [{"sku": "tea", "on_hand": 1}]}
            store = {"lat": 25.0, "lon": 121.5}
            quote = {"destination": store, "lines": [{"sku": "tea", "quantity": 1}]}
            for method, url, arguments in (
                ("GET", "/v1/stores/a", {}),
                ("GET", "/v1/stores/nearby?lat=25&lon=121", {}),
                ("POST", "/v1/quotes", {"json": quote}),
                ("POST", "/v1/quotes/batch", {"json": {"quotes": [quote]}}),
                ("GET", "/v1/stores/a/stock", {}),
                ("PUT", "/v1/stores/a", {"json": store}),
                ("DELETE", "/v1/stores/a", {}),
                ("PATCH", "/v1/stores/a/stock", {"json": body}),
                ("POST", "/v1/imports/stores", {"content": b"store_id,lat,lon\na,1,2\n"}),
                ("GET", "/v1/imports", {}),
                ("GET", "/v1/imports/00", {}),
                ("GET", "/v1/imports/00/errors.csv", {}),
            ):
                answer = await api.send(method, url, **arguments)
                problem = assert_problem(answer, 503)
                assert problem["code"] in ("replica_not_ready", "database_unavailable")
                assert int(answer.headers["retry-after"]) >= 1
                assert name not in answer.text
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


async def test_a_worker_that_is_still_loading_refuses_to_answer_rather_than_find_nothing(app_client: Api) -> None:
    await app_client.put_store("a", 25.03, 121.56)
    await app_client.put_stock("a", tea=1)
    follower = app_client.app.state.service.follower
    replica, follower._replica = follower._replica, None
    quote = {"destination": {"lat": 25.0, "lon": 121.5}, "lines": [{"sku": "tea", "quantity": 1}]}
    assert_problem(await app_client.send("POST", "/v1/quotes", json=quote), 503, "replica_not_ready")
    put = await app_client.send("PUT", "/v1/stores/new", json={"lat": 25.0, "lon": 121.5})
    assert_problem(put, 503, "replica_not_ready")
    follower._replica = replica
    assert_problem(await app_client.get("/v1/stores/new"), 404)

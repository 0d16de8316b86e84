"""GET /metrics, of one worker: Prometheus' text, whatever becomes of the database."""

from prometheus_client.parser import text_string_to_metric_families

from tests.api.client import Api
from tests.api.shop import DOOR, with_shops


async def samples(api: Api) -> dict[str, float]:
    answer = await api.send("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_quotes_are_counted_by_outcome_one_by_one_and_in_batches(app_client: Api) -> None:
    await with_shops(app_client, 5)
    await app_client.quote(*DOOR, "tea")
    await app_client.quote(*DOOR, "nothing")
    lines = [{"sku": "tea", "quantity": 1}]
    one = {"destination": {"lat": DOOR[0], "lon": DOOR[1]}, "lines": lines}
    bad = {"destination": {"lat": 95, "lon": 0}, "lines": lines}
    answer = await app_client.send("POST", "/v1/quotes/batch", json={"quotes": [one, bad, one]})
    assert answer.status_code == 200
    found = await samples(app_client)
    assert found["lifecircle_quotes_total{outcome=fulfillable}"] == 3
    assert found["lifecircle_quotes_total{outcome=unfulfillable}"] == 1


async def test_without_roads_the_engine_is_neither_up_nor_down(app_client: Api) -> None:
    found = await samples(app_client)
    assert "lifecircle_roads_engine_up" not in found
    for name in ("ways", "calls", "failures", "estimated", "broken_bounds"):
        assert found[f"lifecircle_roads_{name}_total"] == 0
    assert found["lifecircle_roads_engine_seconds_count"] == 0
    assert 0 <= found["lifecircle_replica_lag_seconds"] < 5


async def test_they_are_told_when_the_database_is_away(app_client: Api) -> None:
    service = app_client.app.state.service
    await service.follower.stop()
    await service.database.close()
    assert (await app_client.send("GET", "/readyz")).status_code == 503
    first = (await samples(app_client))["lifecircle_replica_lag_seconds"]
    assert (await samples(app_client))["lifecircle_replica_lag_seconds"] > first

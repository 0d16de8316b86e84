"""An import waits for a replica that falls behind, so that quotes are never refused for its sake."""

import asyncio

import pytest

from dispatch.replica.follower import Follower
from tests.api.client import Api

STORES = "store_id,lat,lon\n" + "".join(f"s{n},25.0{n},121.5\n" for n in range(5))


@pytest.mark.parametrize(("lag_s", "waits"), [(0.0, False), (3.0, True), (3600.0, False)])
async def test_an_import_waits_while_the_replica_is_behind_but_not_for_one_that_is_lost(
    app_client: Api, monkeypatch: pytest.MonkeyPatch, lag_s: float, waits: bool
) -> None:
    await app_client.import_file("stores", STORES)
    lag = {"s": lag_s}
    monkeypatch.setattr(Follower, "lag_s", property(lambda _: lag["s"]))
    text = "store_id,sku,on_hand\n" + "".join(f"s{n},tea,1\n" for n in range(5))
    begun = await app_client.send("POST", "/v1/imports/stock?as_of=now", content=text.encode())
    location = begun.headers["location"]
    if waits:
        await asyncio.sleep(1.5)
        assert (await app_client.send("GET", location)).json()["status"] == "running"
        lag["s"] = 0.0
    assert (await app_client.finished(location))["status"] == "done"
    again = await app_client.send("POST", f"{location}/undo")
    assert again.status_code == 202
    assert (await app_client.finished(location))["status"] == "undone"

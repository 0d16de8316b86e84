"""The page at /docs: whole without any other host."""

import re

from tests.api.client import Api


async def test_the_page_and_all_that_it_loads_come_from_the_service(app_client: Api) -> None:
    page = await app_client.get("/docs")
    assert page.status_code == 200
    own = str(app_client.http.base_url).rstrip("/")
    loaded = [address.removeprefix(own) for address in re.findall(r'(?:src|href)="([^"]+)"', page.text)]
    assert len(loaded) >= 3
    for address in loaded:
        assert address.startswith("/"), address
        assert (await app_client.get(address)).status_code == 200, address

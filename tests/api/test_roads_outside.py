"""Where the roads end, the engine is not asked: neither for ways nor for areas."""

from dispatch.services.roads import Roads
from geo.coordinates import LatLon
from geo.travel import Mode
from geo.travel.roads import RoadBounds
from tests.geo.roads import valhalla_of

INSIDE, OUTSIDE = LatLon(lat=35.66, lon=139.70), LatLon(lat=25.03, lon=121.56)


async def test_nothing_is_asked_of_the_engine_about_a_place_outside_the_box_of_its_roads() -> None:
    engine = valhalla_of("shibuya")
    bounds = RoadBounds({mode: engine.top_speed_mps(mode) for mode in Mode}, dict.fromkeys(Mode, (1.0,) * 24))
    roads = Roads(engine, bounds, within=(139.6, 35.6, 139.8, 35.7))
    try:
        assert await roads.ask(INSIDE, lambda engine, _bounds: engine.name) == "valhalla"
        assert await roads.ask(OUTSIDE, lambda engine, _bounds: engine.name) is None
    finally:
        roads.close()

"""The nearest by straight line: for places so far away that no one cares which of a few it is."""

import numpy as np

from geo.coordinates import LatLon
from geo.geodesy import earth_centred, earth_centred_place
from geo.point_index import PointIndex

SEED = 20261122


def test_they_are_those_of_the_shortest_chords_in_order_of_geodesic_distance() -> None:
    rng = np.random.default_rng(SEED)
    lats, lons = rng.uniform(20, 40, 500), rng.uniform(100, 120, 500)
    index = PointIndex(np.arange(500, dtype=np.int64), lats, lons)
    for _ in range(20):
        origin = LatLon(lat=float(rng.uniform(-60, -20)), lon=float(rng.uniform(-80, -60)))
        chords = np.linalg.norm(earth_centred(lats, lons) - np.array(earth_centred_place(origin)), axis=1)
        ids, metres = index.nearest_by_chord(origin, 16)
        assert set(ids.tolist()) == set(np.argsort(chords)[:16].tolist()), f"seed {SEED}"
        assert (np.diff(metres) >= 0).all()
    assert len(index.nearest_by_chord(origin, 600)[0]) == 500


def test_without_points_there_are_none() -> None:
    nothing = PointIndex(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    ids, metres = nothing.nearest_by_chord(LatLon(lat=1, lon=1), 5)
    assert (len(ids), len(metres)) == (0, 0)

"""Whether two answers to a question are the same, and if not, whether the shape of the earth explains it."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from geo.coordinates import LatLon
from geo.geodesy import distance_m
from tests.bench.peers.asking import Asked
from tests.bench.peers.naive import Naive
from tests.bench.world import World

# By so much can the nearest store on a sphere be farther than the nearest: between latitudes 17 and 47 the radii of
# curvature are from 6,341 to 6,390 km, by direction and place; and Redis' places are rounded to half a metre.
_SPHERE_FACTOR: Final = 1.01
_SPHERE_M: Final = 3.0


class Verdict(StrEnum):
    SAME = "same"
    SPHERE = "sphere"  # theirs has the goods too, and is a little farther: they reckon on a sphere
    OURS_FARTHER = "ours farther"
    OURS_NONE = "ours none"  # and theirs is within reach
    OURS_LACKS = "ours lacks the goods"
    THEIRS_NONE = "theirs none"
    THEIRS_LACKS = "theirs lacks the goods"
    THEIRS_BEYOND = "theirs too far for a sphere"


EXPLAINED: Final = (Verdict.SAME, Verdict.SPHERE)


@dataclass
class Answers:
    """How one system's answers compare with ours."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    most_lost_m: float = 0.0

    def add(self, verdict: Verdict, lost_m: float) -> None:
        self.verdicts[verdict] += 1
        self.most_lost_m = max(self.most_lost_m, lost_m)

    def as_json(self) -> dict[str, Any]:
        """All verdicts that there were, how many were not explained, and the most that a sphere cost in metres."""
        return {
            "verdicts": {verdict.value: count for verdict, count in sorted(self.verdicts.items())},
            "unexplained": sum(count for verdict, count in self.verdicts.items() if verdict not in EXPLAINED),
            "most_lost_m": self.most_lost_m,
        }


class Judge:
    """Knows places by the ellipsoid, and stock by the shelves of the plain scan."""

    def __init__(self, world: World, shelves: Naive) -> None:
        self._places = list(zip(world.lats.tolist(), world.lons.tolist(), strict=True))
        self._shelves = shelves

    def judged(self, asked: Asked, ours: int | None, theirs: int | None) -> tuple[Verdict, float]:
        """The verdict, and how many metres theirs is farther where that is explained."""
        if ours == theirs:
            return Verdict.SAME, 0.0
        if theirs is None:
            return Verdict.THEIRS_NONE, 0.0
        if not self._shelves.has(theirs, asked):
            return Verdict.THEIRS_LACKS, 0.0
        theirs_m = self._away_m(asked, theirs)
        if ours is None:
            # They were asked for a bit more than the reach, so that a sphere hides nothing within.
            return (Verdict.SAME if theirs_m > asked.reach_m else Verdict.OURS_NONE), 0.0
        if not self._shelves.has(ours, asked):
            return Verdict.OURS_LACKS, 0.0
        ours_m = self._away_m(asked, ours)
        if ours_m > theirs_m or ours_m > asked.reach_m:
            return Verdict.OURS_FARTHER, 0.0
        if theirs_m > ours_m * _SPHERE_FACTOR + _SPHERE_M:
            return Verdict.THEIRS_BEYOND, 0.0
        return Verdict.SPHERE, theirs_m - ours_m

    def _away_m(self, asked: Asked, store: int) -> float:
        lat, lon = self._places[store]
        return distance_m(asked.question.destination, LatLon(lat=lat, lon=lon))

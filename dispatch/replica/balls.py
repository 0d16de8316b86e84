"""Balls around places on the earth: four numbers each, the centre (earth-centred metres) and the radius."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.compiled import Compiler

compiled = Compiler(__file__)

type Balls = NDArray[np.float32]

# Wider by so much than what it holds, a ball may be rounded to single precision (half a metre at the most).
SLACK_M: Final = 2.0


@compiled(inline="always")
def reaches(balls: Balls, i: int, x: float, y: float, z: float, radius_m: float) -> bool:
    """Whether a place in ball ``i`` may be as near as that; never, where a ball's centre is not a number."""
    dx, dy, dz, reach_m = balls[i, 0] - x, balls[i, 1] - y, balls[i, 2] - z, radius_m + balls[i, 3]
    return bool(dx * dx + dy * dy + dz * dz <= reach_m * reach_m)

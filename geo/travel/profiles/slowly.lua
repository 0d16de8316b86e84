-- What the profiles of all modes share. Each takes what may be used by whom from the profile that comes with OSRM, and
-- says itself how fast. OSRM reads the profile `profile.lua` that geo/travel/osrm_network.py writes: it sets TOP_KMH, and
-- hands over to lc_foot.lua, lc_ebike.lua or lc_car.lua.

local Slowly = {}

-- OSRM rounds the time of every piece of a road to tenths of a second. All is gone ten times as slowly, so that they
-- are hundredths; geo/travel/osrm_inside.py divides by as much. It cuts off the time of a piece after 4,194,303 tenths,
-- which is 55 km on foot then: of a hundred times as slowly 5 km, and longer ones would be too fast.
local SLOWLY = 10

-- Nothing is ridden on a boat or a train: no way is faster than its mode.
local NOT_BY_ROAD = { [mode.ferry] = true, [mode.train] = true }

-- The profile of a mode: what may be used by whom is what `base` says, which comes with OSRM, as `setup` changes it.
-- speed(kmh, by, way): what a direction is gone at, by what `base` says of it, and its mode; 0 for not at all.
function Slowly.profile(base, setup, speed, busy)
  return {
    setup = setup,
    process_way = function(profile, way, result, relations)
      base.process_way(profile, way, result, relations)
      Slowly.ways(way, result, speed)
    end,
    process_node = base.process_node,
    process_turn = function(_, turn)
      Slowly.turn(turn, busy)
    end,
    process_segment = Slowly.process_segment,
  }
end

function Slowly.ways(way, result, speed)
  for _, direction in ipairs({ 'forward', 'backward' }) do
    local by = result[direction .. '_mode']
    local kmh = result[direction .. '_speed']
    if by ~= mode.inaccessible and not NOT_BY_ROAD[by] and kmh > 0 then
      kmh = math.min(speed(kmh, by, way), TOP_KMH)
    else
      kmh = 0
    end
    if kmh > 0 then
      result[direction .. '_speed'] = kmh / SLOWLY
    else
      result[direction .. '_mode'] = mode.inaccessible
    end
    -- The fastest way is wanted, not the one that is liked best.
    result[direction .. '_rate'] = -1
    result[direction .. '_restricted'] = false
  end
  -- How long a way takes, where it is said of a ferry or a bridge.
  result.duration = -1
  result.weight = -1
end

-- Rounded up, so that no piece of a road is faster than its speed.
function Slowly.process_segment(profile, segment)
  segment.duration = math.ceil(segment.duration * 10) / 10
  segment.weight = segment.duration
end

-- What a crossing costs by car or e-bike, straight on and by how one turns there, in seconds. Valhalla multiplies the
-- like by how busy a crossing is; here all are alike, and `busy` is what comes nearest to it (docs/roads.md).
function Slowly.turn(turn, busy)
  local seconds = 0
  if turn.is_u_turn then
    seconds = 9.5
  elseif turn.number_of_roads > 2 then
    local angle = turn.is_left_hand_driving and -turn.angle or turn.angle
    local how_far = math.abs(angle)
    if how_far < 15 then
      seconds = 0.5
    elseif how_far < 45 then
      seconds = 0.75
    elseif angle > 0 then
      seconds = how_far < 135 and 1.0 or 1.5
    else
      seconds = how_far < 135 and 2.5 or 3.5 -- across those who come the other way
    end
  end
  turn.duration = seconds * busy * SLOWLY
  turn.weight = turn.duration
end

return Slowly

-- By e-bike: at TOP_KMH on roads and cycleways, slower on rough ground, pushed where riding is not allowed.

local base = require('bicycle')
local Slowly = require('slowly')

-- Of TOP_KMH, on what OSRM's bicycle takes for slow, at 15 km/h on good roads.
local GOOD_KMH = 15
local PUSHED_KMH = 5.1

local BUSY = 2.5

local function setup()
  local profile = base.setup()
  profile.properties.weight_name = 'duration'
  profile.use_public_transport = false
  profile.bicycle_speeds.trunk = profile.default_speed
  profile.bicycle_speeds.trunk_link = profile.default_speed
  return profile
end

local function process_way(profile, way, result, relations)
  base.process_way(profile, way, result, relations)
  Slowly.ways(result, function(kmh, by)
    if by == mode.pushing_bike then
      return PUSHED_KMH
    end
    return TOP_KMH * kmh / GOOD_KMH
  end)
end

local function process_turn(profile, turn)
  Slowly.turn(turn, BUSY)
end

return {
  setup = setup,
  process_way = process_way,
  process_node = base.process_node,
  process_turn = process_turn,
  process_segment = Slowly.process_segment,
}

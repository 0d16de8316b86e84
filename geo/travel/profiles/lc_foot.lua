-- On foot: at TOP_KMH everywhere, also along trunk roads, as Valhalla's pedestrian does.

local base = require('foot')
local Slowly = require('slowly')

local function setup()
  local profile = base.setup()
  profile.properties.weight_name = 'duration'
  profile.speeds.highway.trunk = profile.default_speed
  profile.speeds.highway.trunk_link = profile.default_speed
  return profile
end

local function process_way(profile, way, result, relations)
  base.process_way(profile, way, result, relations)
  Slowly.ways(result, function() return TOP_KMH end)
end

local function process_turn(profile, turn)
  Slowly.turn(turn, 0)
end

return {
  setup = setup,
  process_way = process_way,
  process_node = base.process_node,
  process_turn = process_turn,
  process_segment = Slowly.process_segment,
}

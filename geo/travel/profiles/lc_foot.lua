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

local function speed()
  return TOP_KMH
end

return Slowly.profile(base, setup, speed, 0)

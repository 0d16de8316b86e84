-- By e-bike: at TOP_KMH on roads and cycleways, slower on rough ground. It is pushed where a sign asks for it; what OSRM
-- has it pushed along besides, pavements and streets against their direction, is left out, as by Valhalla.

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

local function speed(kmh, by, way)
  if by == mode.pushing_bike then
    return way:get_value_by_key('bicycle') == 'dismount' and PUSHED_KMH or 0
  end
  return TOP_KMH * kmh / GOOD_KMH
end

return Slowly.profile(base, setup, speed, BUSY)

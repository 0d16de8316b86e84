-- By car: at what each kind of road allows, or its sign, and at TOP_KMH at most.

local base = require('car')
local Slowly = require('slowly')

-- What Valhalla takes for each where there is no sign.
local KMH = {
  motorway = 105,
  motorway_link = 89,
  trunk = 90,
  trunk_link = 77,
  primary = 75,
  primary_link = 64,
  secondary = 60,
  secondary_link = 51,
  tertiary = 50,
  tertiary_link = 43,
  unclassified = 40,
  residential = 35,
  living_street = 25,
  service = 25,
}

local BUSY = 2

local function setup()
  local profile = base.setup()
  profile.properties.weight_name = 'duration'
  for kind, kmh in pairs(KMH) do
    profile.speeds.highway[kind] = kmh
  end
  return profile
end

local function speed(kmh)
  return kmh
end

return Slowly.profile(base, setup, speed, BUSY)

-- Milliseconds of Redis's own clock, which is the same for every service.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

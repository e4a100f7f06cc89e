-- Milliseconds of Redis's own clock, which is the same for every service.
local time_of_run
local function now_ms()
  if not time_of_run then
    local time = redis.call('TIME')
    time_of_run = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return time_of_run
end

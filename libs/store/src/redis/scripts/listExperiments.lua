--[[
@args
@result z.array(z.string())
Returns the experiments that are not over.
]]
-- @include time
local now, found = now_ms(), {}
for _, record in ipairs(redis.call('HVALS', key.experiments())) do
  local until_ms, experiment = string.match(record, '^(%d+) (.*)$')
  if until_ms and tonumber(until_ms) > now then found[#found + 1] = experiment end
end
return found

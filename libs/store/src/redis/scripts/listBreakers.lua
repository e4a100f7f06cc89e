--[[
@args
@result z.array(z.string())
Returns the reports that have not expired.
]]
-- @include time
local now, found = now_ms(), {}
for _, record in ipairs(redis.call('HVALS', key.breakers())) do
  local shown_until, report = string.match(record, '^(%d+) (.*)$')
  if shown_until and tonumber(shown_until) >= now then found[#found + 1] = report end
end
return found

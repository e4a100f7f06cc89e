--[[
Replaces what a process reports of its open breakers; an empty report removes it. Removes reports that have expired: processes that
have ended removed none.
@args reporter report shownMs
@result z.null()
]]
-- @include time
-- @include transaction
local now = now_ms()
local known = redis.call('HGETALL', key.breakers())
for index = 1, #known, 2 do
  local shown_until = tonumber(string.match(known[index + 1], '^(%d+) '))
  if known[index] ~= reporter and (not shown_until or shown_until < now) then stage('HDEL', key.breakers(), known[index]) end
end
if report == '' then
  stage('HDEL', key.breakers(), reporter)
else
  stage('HSET', key.breakers(), reporter, string.format('%d ', now + tonumber(shownMs)) .. report)
  stage('EXPIRE', key.breakers(), math.ceil(tonumber(shownMs) / 1000))
end
commit()

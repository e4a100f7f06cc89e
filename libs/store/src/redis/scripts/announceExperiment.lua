--[[
Announces a chaos experiment for `ms`, and removes those that are over.
@args name record ms
@result z.number()
Returns 0 when `maxExperiments` others are announced, else 1.
]]
-- @include time
-- @include transaction
local now = now_ms()
local known, others = redis.call('HGETALL', key.experiments()), 0
local ends_at = now + tonumber(ms)
local last = ends_at
for index = 1, #known, 2 do
  local until_ms = tonumber(string.match(known[index + 1], '^(%d+) '))
  if not until_ms or until_ms <= now then
    stage('HDEL', key.experiments(), known[index])
  elseif known[index] ~= name then
    others = others + 1
    last = math.max(last, until_ms)
  end
end
if others >= maxExperiments then return 0 end
stage('HSET', key.experiments(), name, string.format('%d ', ends_at) .. record)
stage('EXPIRE', key.experiments(), math.ceil((last - now) / 1000))
commit()
return 1

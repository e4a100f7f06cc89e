--[[
Adds a decision on the number of SFU nodes, and removes the oldest above `keptScalings`.
@args at record
@result z.null()
]]
-- @include transaction
local known = redis.call('ZRANGE', key.scalings(), 0, -1)
stage('ZADD', key.scalings(), at, record)
for index = 1, #known + 1 - keptScalings do
  stage('ZREM', key.scalings(), known[index])
end
commit()

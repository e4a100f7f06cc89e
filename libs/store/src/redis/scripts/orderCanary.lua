--[[
@args order
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when there is no canary: nothing is written.
]]
-- @include transaction
if redis.call('HEXISTS', key.canary(), 'stable') == 0 then return 0 end
stage('HSET', key.canary(), 'order', order)
commit()
return 1

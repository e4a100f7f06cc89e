--[[
Writes a gateway's heartbeat.
@args gatewayId
@result z.union([z.literal(0), z.literal(1)])
Returns 1 when the gateway was known.
]]
-- @include time
-- @include transaction
local known = redis.call('ZSCORE', key.gateways(), gatewayId)
stage('ZADD', key.gateways(), now_ms(), gatewayId)
commit()
return known and 1 or 0

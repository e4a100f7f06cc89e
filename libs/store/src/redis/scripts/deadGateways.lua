--[[
@args timeoutMs
@result z.array(z.string())
Returns the ids of gateways whose heartbeat is older than `timeoutMs`.
]]
-- @include time
return redis.call('ZRANGEBYSCORE', key.gateways(), '-inf', now_ms() - timeoutMs)

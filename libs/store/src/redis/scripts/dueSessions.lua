--[[
@args limit
@result z.array(z.string())
Returns the ids of sessions whose resume window has passed.
]]
-- @include time
return redis.call('ZRANGEBYSCORE', key.detached(), '-inf', now_ms(), 'LIMIT', 0, limit)

--[[
@args limit
@result z.array(z.string())
Returns the ids of rooms that were empty for longer than they may be, or are still being deleted.
]]
-- @include time
return redis.call('ZRANGEBYSCORE', key.emptyRooms(), '-inf', now_ms(), 'LIMIT', 0, limit)

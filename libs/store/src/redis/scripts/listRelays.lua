--[[
@args
@result z.tuple([z.array(z.string()), z.array(z.string()), z.string()])
Returns {reports, heartbeats with their times, now}.
]]
-- @include time
return { redis.call('HVALS', key.relays()), redis.call('ZRANGE', key.relayBeats(), 0, -1, 'WITHSCORES'), tostring(now_ms()) }

--[[
@args
@result z.tuple([z.array(z.string()), z.array(z.string()), z.array(z.string()), z.string()])
Returns {reports, heartbeats with their times, reserved capacity by node, now}.
]]
-- @include time
return {
  redis.call('HVALS', key.nodes()),
  redis.call('ZRANGE', key.beats(), 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', key.reserved()),
  tostring(now_ms()),
}

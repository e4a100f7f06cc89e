--[[
Reads bans of a room that are in force, those that end first in front, from the end `from` (ms) on: at most `limit` after the first `skip`.
@args roomId from skip limit
@result z.array(z.string())
Returns user id and end (ms) in turn.
]]
-- @include time
local start = math.max(tonumber(from), now_ms() + 1)
return redis.call('ZRANGEBYSCORE', key.bans(roomId), string.format('%d', start), '+inf', 'WITHSCORES', 'LIMIT', skip, limit)

--[[
Whether a session may send messages into a room that it is not in: the session has not ended, its token was not revoked, the room accepts
such messages, and its user is not banned. `resumeHash` is that of the connection that sends.
@args roomId sessionId resumeHash
@result z.union([z.enum(['SESSION_EXPIRED', 'TOKEN_REVOKED', 'ROOM_NOT_FOUND', 'FORBIDDEN', 'BANNED']), z.number()])
Returns the number of members of the room, or why not.
]]
-- @include acceptance
-- @include room
-- @include time
local held_hash, user = unpack(redis.call('HMGET', key.session(sessionId), 'resumeHash', 'userId'))
if not user or held_hash ~= resumeHash then return 'SESSION_EXPIRED' end
if is_revoked(user, redis.call('ZSCORE', key.issued(), sessionId) or 0) then return 'TOKEN_REVOKED' end
local room = decode(redis.call('GET', key.room(roomId)) or '')
if not room then return 'ROOM_NOT_FOUND' end
if room.acceptBridged ~= true then return 'FORBIDDEN' end
if tonumber(redis.call('ZSCORE', key.bans(roomId), user) or 0) > now_ms() then return 'BANNED' end
return redis.call('HLEN', key.members(roomId))

--[[
Ends a session and takes it out of its rooms. Nothing is done twice, or when `resumeHash` is not empty and not the session's. A room
with a damaged record does not keep the session from leaving the others; its member is left to repairRoom.
@args sessionId reason resumeHash trace
@result z.array(z.string())
Returns the ids of the rooms that it left.
]]
-- @include leave
local hash = redis.call('HGET', key.session(sessionId), 'resumeHash')
if hash and resumeHash ~= '' and hash ~= resumeHash then return {} end
local left = {}
for _, room in ipairs(redis.call('SMEMBERS', key.sessionRooms(sessionId))) do
  local _, gone = attempt(function() return stage_leave(room, participant_of(sessionId), reason, trace) end)
  if gone then left[#left + 1] = room end
end
local user = redis.call('HGET', key.session(sessionId), 'userId')
if user then stage('SREM', key.userSessions(user), sessionId) end
if hash then delete(key.resume(hash)) end
local gateway = redis.call('HGET', key.session(sessionId), 'gatewayId')
if gateway then stage('SREM', key.gatewaySessions(gateway), sessionId) end
stage('ZREM', key.detached(), sessionId)
delete(key.session(sessionId))
delete(key.sessionRooms(sessionId))
stage_reservations()
commit()
return left

--[[
Ends a session and takes it out of its rooms. Nothing is done twice, or when `resumeHash` is not empty and not the session's. A room
with a damaged record does not keep the session from leaving the others; its member is left to repairRoom. With `revokedEvent` not
empty, its gateway gets that event, which closes its connection.
@args sessionId reason resumeHash expiredOnly revokedEvent trace
@result z.array(z.string()).nullable()
Returns the ids of the rooms that it left; nil when `expiredOnly` is not empty and its resume window has not passed.
]]
-- @include leave
if expiredOnly ~= '' then
  local window_ends = redis.call('ZSCORE', key.detached(), sessionId)
  if not window_ends or tonumber(window_ends) > now_ms() then return nil end
end
local hash = redis.call('HGET', key.session(sessionId), 'resumeHash')
if hash and resumeHash ~= '' and hash ~= resumeHash then return {} end
local left = {}
for _, room in ipairs(redis.call('SMEMBERS', key.sessionRooms(sessionId))) do
  local _, staged = attempt(function() return stage_leave(room, participant_of(sessionId), reason, trace) end)
  if staged then left[#left + 1] = room end
end
local user = redis.call('HGET', key.session(sessionId), 'userId')
if user then stage('SREM', key.userSessions(user), sessionId) end
if hash then delete(key.resume(hash)) end
local gateway = redis.call('HGET', key.session(sessionId), 'gatewayId')
if gateway then
  stage('SREM', key.gatewaySessions(gateway), sessionId)
  if revokedEvent ~= '' then append(key.gatewayStream(gateway), maxStreamLength, revokedEvent, { ttl = idleStreamSeconds }) end
end
stage('ZREM', key.detached(), sessionId)
stage('ZREM', key.issued(), sessionId)
delete(key.session(sessionId))
delete(key.sessionRooms(sessionId))
stage_reservations()
commit()
return left

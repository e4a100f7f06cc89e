--[[
Persists that a session's connection dropped: it may resume until its window ends. Ignored when it resumed meanwhile.
@args sessionId resumeHash windowMs
@result z.null()
]]
-- @include time
-- @include sessions
if redis.call('HGET', key.session(sessionId), 'resumeHash') ~= resumeHash then return end
local gateway = redis.call('HGET', key.session(sessionId), 'gatewayId')
stage('SREM', key.gatewaySessions(gateway), sessionId)
stage('ZADD', key.detached(), now_ms() + windowMs, sessionId)
stage_connection(sessionId, 'reconnecting')
commit()

--[[
Writes a new session. `claims` are the fields and values of its token's claims.
@args sessionId resumeHash userId gatewayId issuedAt ...claims
@result z.string().nullable()
Returns the newest offset of the user's messages, nil when the token was revoked.
]]
-- @include cutoffs
if is_revoked(userId, issuedAt) then return nil end
local offset = last_offset(key.inbox(userId))
local fields = { 'resumeHash', resumeHash, 'userId', userId, 'gatewayId', gatewayId, unpack(claims) }
for index = 1, #fields, 2 do
  stage('HSET', key.session(sessionId), fields[index], fields[index + 1])
end
stage('SET', key.resume(resumeHash), sessionId)
stage('SADD', key.gatewaySessions(gatewayId), sessionId)
stage('SADD', key.userSessions(userId), sessionId)
stage('ZADD', key.issued(), issuedAt, sessionId)
commit()
return offset

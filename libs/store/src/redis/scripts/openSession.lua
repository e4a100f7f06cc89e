--[[
Writes a new session, and uses the token `tokenId` up, unless that is empty. A user has maxSessionsPerUser sessions at most: those that
are connected or may resume. `claims` are the fields and values of its token's claims.
@args sessionId resumeHash userId gatewayId tokenId tokenSeconds issuedAt ...claims
@result z.union([z.enum(['TOKEN_REVOKED', 'TOKEN_REPLAYED', 'TOO_MANY_SESSIONS']), z.tuple([z.string()])])
Returns {the newest offset of the user's messages}, or why not.
]]
-- @include tokens
-- @include openings
local problem = opening_problem(userId, issuedAt, tokenId)
if problem then return problem end
local offset = last_offset(key.inbox(userId))
if tokenId ~= '' then stage_use(tokenId, tokenSeconds) end
local fields = { 'resumeHash', resumeHash, 'userId', userId, 'gatewayId', gatewayId, unpack(claims) }
for index = 1, #fields, 2 do
  stage('HSET', key.session(sessionId), fields[index], fields[index + 1])
end
stage('SET', key.resume(resumeHash), sessionId)
stage('SADD', key.gatewaySessions(gatewayId), sessionId)
stage('SADD', key.userSessions(userId), sessionId)
stage('ZADD', key.issued(), issuedAt, sessionId)
commit()
return { offset }

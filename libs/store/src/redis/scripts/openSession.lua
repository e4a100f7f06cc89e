--[[
Writes a new session, and uses the token `tokenId` up, unless that is empty. A user has maxSessionsPerUser sessions at most: those that
are connected or may resume. `fields` are the fields and values of its record,
above all its token's claims.
@args sessionId resumeHash userId gatewayId tokenId tokenSeconds issuedAt ...fields
@result z.union([z.enum(['TOKEN_REVOKED', 'TOKEN_REPLAYED', 'TOO_MANY_SESSIONS']), z.tuple([z.string()])])
Returns {the newest offset of the user's messages}, or why not.
]]
-- @include tokens
-- @include openings
local problem = opening_problem(userId, issuedAt, tokenId)
if problem then return problem end
local offset = last_offset(key.inbox(userId))
if tokenId ~= '' then stage_use(tokenId, tokenSeconds) end
local record = { 'resumeHash', resumeHash, 'userId', userId, 'gatewayId', gatewayId, unpack(fields) }
for index = 1, #record, 2 do
  stage('HSET', key.session(sessionId), record[index], record[index + 1])
end
stage('SET', key.resume(resumeHash), sessionId)
stage('SADD', key.gatewaySessions(gatewayId), sessionId)
stage('SADD', key.userSessions(userId), sessionId)
stage('ZADD', key.issued(), issuedAt, sessionId)
commit()
return { offset }

--[[
Replaces the claims of a session by those of a token, and uses the token up. The token that the session was refreshed with last may
be sent again: its answer may have been lost with a connection. `resumeHash` is that of the connection that refreshes, `room` and
`grants` are two of the claims. What runs follows at once: see stage_grants.
@args sessionId resumeHash tokenId tokenSeconds issuedAt room grants trace ...claims
@result z.enum(['refreshed', 'SESSION_EXPIRED', 'TOKEN_REPLAYED', 'TOKEN_REVOKED'])
SESSION_EXPIRED when the session has ended or was resumed by another connection; nothing is changed then.
]]
-- @include grants
-- @include tokens
local session = key.session(sessionId)
if redis.call('HGET', session, 'resumeHash') ~= resumeHash then return 'SESSION_EXPIRED' end
if redis.call('HGET', session, 'tokenId') == tokenId then return 'refreshed' end
if is_revoked(redis.call('HGET', session, 'userId') or '', issuedAt) then return 'TOKEN_REVOKED' end
if is_used(tokenId) then return 'TOKEN_REPLAYED' end
stage_use(tokenId, tokenSeconds)
stage('HSET', session, 'tokenId', tokenId)
stage('ZADD', key.issued(), issuedAt, sessionId)
for index = 1, #claims, 2 do
  stage('HSET', session, claims[index], claims[index + 1])
end
stage_grants(sessionId, room, grants, trace)
stage_reservations()
commit()
return 'refreshed'

-- @include acceptance
-- Why a session cannot be opened with a token now, or nil. Without a token `token` is empty.
local function opening_problem(user, issued_at, token)
  if is_revoked(user, issued_at) then return 'TOKEN_REVOKED' end
  if is_used(token) then return 'TOKEN_REPLAYED' end
  if redis.call('SCARD', key.userSessions(user)) >= maxSessionsPerUser then return 'TOO_MANY_SESSIONS' end
end

--[[
Deletes the token of a resume whose connection is open.
@args sessionId usedHash nextHash
@result z.union([z.literal(0), z.literal(1)])
Returns 0, and does nothing, when another connection holds the session.
]]
-- @include transaction
if redis.call('HGET', key.session(sessionId), 'resumeHash') ~= nextHash then return 0 end
delete(key.resume(usedHash))
commit()
return 1

--[[
Adds what the client measured to a migration of the history, once.
@args migrationId sessionId report
@result z.union([z.literal(0), z.literal(1)])
Returns 0 unless the migration is that session's and has no report yet.
]]
-- @include migrations
local known = redis.call('HGET', key.history(), migrationId)
local record = known and cjson.decode(known)
if not record or record.sessionId ~= sessionId or record.ms then return 0 end
stage_history(migrationId, record.startedAt, cjson.decode(report))
commit()
return 1

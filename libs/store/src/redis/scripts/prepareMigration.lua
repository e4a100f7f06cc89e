--[[
Records that the new side of a migration is open, and appends `migrate` (`event`) for its client.
@args roomId participantId migrationId event
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the migration is not active.
]]
-- @include migrations
local record = redis.call('HGET', key.migrations(roomId), participantId)
if not record then return 0 end
local migration = cjson.decode(record)
if migration.id ~= migrationId then return 0 end
migration.step = 'prepared'
stage('HSET', key.migrations(roomId), participantId, cjson.encode(migration))
stage_history(migrationId, migration.startedAt, { step = 'prepared' })
append_event(roomId, event)
commit()
return 1

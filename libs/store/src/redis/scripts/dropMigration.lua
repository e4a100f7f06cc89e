--[[
Removes a migration whose record is not JSON from the journal. A record of another version is JSON and stays.
@args roomId participantId
@result z.null()
]]
-- @include migrations
local record = redis.call('HGET', key.migrations(roomId), participantId)
if record and decode(record) then return end
stage_migration_end(roomId, participantId)
stage('ZREM', key.running(), roomId .. '/' .. participantId)
stage_reservations()
commit()

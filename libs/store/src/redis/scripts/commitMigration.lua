--[[
Assigns a member to the new node of its migration and releases the old one; appends participant_moved. Publications that were not
republished on the new node end, with publication_removed. A commit that is repeated changes nothing.
@args roomId participantId migrationId endedAt trace
@result z.union([z.enum(['repeated', 'MIGRATION_NOT_ACTIVE']), z.tuple([z.string()])])
Returns {migration}, or 'repeated' for the member's last committed migration.
]]
-- @include migrations
local member = redis.call('HGET', key.members(roomId), participantId)
if member and last_migration_of(member) == migrationId then return 'repeated' end
local record = redis.call('HGET', key.migrations(roomId), participantId)
if not member or not record then return 'MIGRATION_NOT_ACTIVE' end
local migration = cjson.decode(record)
if migration.id ~= migrationId or migration.step ~= 'prepared' then return 'MIGRATION_NOT_ACTIVE' end
reserve(roomId, node_of_member(member), -1)
stage('HSET', key.members(roomId), participantId, member_record(member, { node = migration.toNode, migration = migrationId }))
stage('HDEL', key.migrations(roomId), participantId)
stage('ZREM', key.running(), roomId .. '/' .. participantId)
delete(key.previous(roomId, participantId))
append_moved(roomId, participantId, migration.toNode, trace, migrationId)
for _, id in ipairs(redis.call('SMEMBERS', key.publicationsOf(roomId, participantId))) do
  local publication = redis.call('HGET', key.publications(roomId), id)
  if publication and node_of_publication(publication) ~= migration.toNode then stage_unpublish(roomId, participantId, id) end
end
stage_history(migrationId, migration.startedAt, { ['end'] = 'committed', endedAt = tonumber(endedAt) })
stage_reservations()
commit()
return { record }

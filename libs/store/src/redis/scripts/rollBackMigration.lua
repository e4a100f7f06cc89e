--[[
Ends a migration without moving its member: releases the new node and restores the publications that were republished there
(publication_updated); those that began there end (publication_removed). Appends migration_rolled_back for the client. `ending` is
'rolled_back' or 'timed_out'.
@args roomId participantId migrationId ending endedAt trace
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the migration is not active.
]]
-- @include migrations
local record = redis.call('HGET', key.migrations(roomId), participantId)
if not record or (decode(record) or {}).id ~= migrationId then return 0 end
local member = redis.call('HGET', key.members(roomId), participantId)
local migration = stage_migration_end(roomId, participantId)
for _, id in ipairs(redis.call('SMEMBERS', key.publicationsOf(roomId, participantId))) do
  local publication = redis.call('HGET', key.publications(roomId), id)
  local previous = redis.call('HGET', key.previous(roomId, participantId), id)
  if previous then
    stage('HSET', key.publications(roomId), id, previous)
    append_event(roomId, '{"type":"publication_updated","from":"' .. participantId .. '","payload":{"publication":' .. json_of_publication(previous) .. '}}')
  elseif publication and member and node_of_publication(publication) ~= node_of_member(member) then
    stage_unpublish(roomId, participantId, id)
  end
end
append_event(roomId, '{"type":"migration_rolled_back","from":"system","only":["' .. migration.sessionId .. '"],"payload":{"migrationId":"' .. migrationId .. '"}' .. trace .. '}')
stage_history(migrationId, migration.startedAt, { ['end'] = ending, endedAt = tonumber(endedAt) })
stage_reservations()
commit()
return 1

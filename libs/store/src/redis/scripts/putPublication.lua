--[[
Adds a publication (appends `addedEvent`) or replaces the one of its id (`updatedEvent`). While its participant is being moved to
its node, the record that it replaces is kept for a roll back; once it was republished there, the old node cannot replace it.
@args roomId participantId publicationId nodeId publication addedEvent updatedEvent maxPublications previousSeconds
@result z.enum(['put', 'NOT_IN_ROOM', 'FORBIDDEN', 'PUBLICATION_NOT_FOUND', 'RATE_LIMITED', 'MIGRATION_RUNNING'])
]]
-- @include room
local member = redis.call('HGET', key.members(roomId), participantId)
if not member then return 'NOT_IN_ROOM' end
if not has_grant(grants_of_member(member), 'publish') then return 'FORBIDDEN' end
local known = redis.call('HGET', key.publications(roomId), publicationId)
local own = redis.call('SISMEMBER', key.publicationsOf(roomId, participantId), publicationId) == 1
if known and not own then return 'PUBLICATION_NOT_FOUND' end
if not known and redis.call('SCARD', key.publicationsOf(roomId, participantId)) >= tonumber(maxPublications) then return 'RATE_LIMITED' end
local migration = redis.call('HGET', key.migrations(roomId), participantId)
local target = migration and (decode(migration) or {}).toNode
local known_node = known and node_of_publication(known)
if node_of_member(member) ~= nodeId then
  if target ~= nodeId then return 'NOT_IN_ROOM' end
  if known and known_node ~= nodeId and redis.call('HEXISTS', key.previous(roomId, participantId), publicationId) == 0 then
    stage('HSET', key.previous(roomId, participantId), publicationId, known)
    stage('EXPIRE', key.previous(roomId, participantId), previousSeconds)
  end
elseif known and known_node ~= nodeId and known_node == target then
  return 'MIGRATION_RUNNING'
end
stage('HSET', key.publications(roomId), publicationId, nodeId .. ' ' .. publication)
stage('SADD', key.publicationsOf(roomId, participantId), publicationId)
append_event(roomId, known and updatedEvent or addedEvent)
commit()
return 'put'

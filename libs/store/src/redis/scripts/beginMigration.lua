--[[
Reserves capacity for a member on another node (`toNode`, or the best one when it is empty) and writes the migration to the
journal and the history. `migration` is the Migration without its nodes and step.
@args roomId participantId migration migrationId startedAt deadline fromNode toNode random1 random2 draw term
@result z.union([z.enum(['NOT_IN_ROOM', 'MIGRATION_RUNNING', 'MIGRATION_NOT_ACTIVE', 'MEDIA_NOT_OPEN', 'NO_CAPACITY', 'STALE_TERM']), z.tuple([z.string(), z.string()])])
Returns {migration, what the member's media was opened with}, or why not.
]]
-- @include placement
-- @include migrations
-- @include terms
if is_stale(term) then return 'STALE_TERM' end
local record = redis.call('HGET', key.members(roomId), participantId)
if not record then return 'NOT_IN_ROOM' end
if redis.call('HEXISTS', key.migrations(roomId), participantId) == 1 then return 'MIGRATION_RUNNING' end
local from = node_of_member(record)
if fromNode ~= '' and fromNode ~= from then return 'MIGRATION_NOT_ACTIVE' end
local media = redis.call('HGET', key.mediaRequests(roomId), participantId)
if not media then return 'MEDIA_NOT_OPEN' end
local settings = redis.call('GET', key.room(roomId))
local to = choose_node({
  room = roomId, spread = settings and cjson.decode(settings).spread, exclude = { [from] = true },
  only = toNode ~= '' and toNode or nil, random1 = tonumber(random1), random2 = tonumber(random2), draw = tonumber(draw),
})
if not to then return 'NO_CAPACITY' end
local started = string.sub(migration, 1, -2) .. ',"fromNode":"' .. from .. '","toNode":"' .. to .. '","step":"reserved"}'
reserve(roomId, to, 1)
stage('HSET', key.migrations(roomId), participantId, started)
stage('ZADD', key.running(), deadline, roomId .. '/' .. participantId)
stage_history(migrationId, startedAt, cjson.decode(started))
stage_reservations()
commit()
return { started, media }

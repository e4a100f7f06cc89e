--[[
Assigns a member to another node because its own does not answer, and ends its migration; appends participant_moved. With a
`migration` (MigrationRecord without its nodes; its id and start beside it) the node counts as lost: unless its heartbeat is `lostAfterMs` older than
another node's, nothing is done, and neither if the member is not on `fromNode` (empty: any). Then media_lost is appended, the migration written to the history, and the heartbeat counts as stale. `toNode` is preferred when
it has capacity.
@args roomId participantId excludeNodes fromNode toNode random1 random2 draw migration migrationId startedAt lostAfterMs term trace
@result z.union([z.enum(['NOT_IN_ROOM', 'NO_CAPACITY', 'NODE_ALIVE', 'NOT_ON_NODE', 'STALE_TERM']), z.tuple([z.string(), z.string()])])
Returns {member, previous node id}, or why not.
]]
-- @include placement
-- @include migrations
-- @include terms
if is_stale(term) then return 'STALE_TERM' end
local record = redis.call('HGET', key.members(roomId), participantId)
if not record then return 'NOT_IN_ROOM' end
local from = node_of_member(record)
if fromNode ~= '' and fromNode ~= from then return 'NOT_ON_NODE' end
local exclude, is_lost = set_of(excludeNodes), false
if migration ~= '' then
  local newest = redis.call('ZRANGE', key.beats(), -1, -1, 'WITHSCORES')[2]
  local own = redis.call('ZSCORE', key.beats(), from)
  if own and newest - own < tonumber(lostAfterMs) then return 'NODE_ALIVE' end
  exclude[from] = true
  -- It gets no member and no request for a pipe until it reports again.
  local stale = now_ms() - nodeTimeoutMs - 1
  is_lost = own and tonumber(own) > stale
  if is_lost then stage('ZADD', key.beats(), stale, from) end
end
local settings = redis.call('GET', key.room(roomId))
local options = {
  room = roomId, spread = settings and cjson.decode(settings).spread, exclude = exclude,
  random1 = tonumber(random1), random2 = tonumber(random2), draw = tonumber(draw),
}
local node
if toNode ~= '' then
  options.only = toNode
  node = choose_node(options)
  options.only = nil
end
node = node or choose_node(options)
if not node then return 'NO_CAPACITY' end
stage_migration_abort(roomId, participantId)
reserve(roomId, from, -1)
reserve(roomId, node, 1)
local moved = member_record(record, { node = node })
stage('HSET', key.members(roomId), participantId, moved)
append_moved(roomId, participantId, node, trace)
if migration ~= '' then
  local changes = cjson.decode(migration)
  changes.fromNode, changes.toNode = from, node
  stage_history(migrationId, startedAt, changes)
  append_event(roomId, '{"type":"media_lost","from":"system","payload":{"participantIds":["' .. participantId .. '"],"reason":"node_lost"}' .. trace .. '}')
end
stage_reservations()
for _, side in pairs(sides) do
  if is_lost and redis.call('ZSCORE', key.nodesByLoad(side), from) then stage('ZADD', key.nodesByLoad(side), unplaceableLoad, from) end
end
commit()
return { moved, from }

--[[
Deletes a room and takes out its members, at most `limit` in one run: the room is closed by the first run and listed in emptyRooms
until the last. `deletedSeconds` is how long its stream is kept for those who were in it.
@args roomId event deletedSeconds limit expiredOnly
@result z.tuple([z.union([z.literal(0), z.literal(1)]), z.number()]).nullable()
Returns {1 when this run closed the room, members that remain}; nil when `expiredOnly` is not empty and the room is not due.
]]
-- @include migrations
if expiredOnly ~= '' then
  local due = redis.call('ZSCORE', key.emptyRooms(), roomId)
  if not due or tonumber(due) > now_ms() then return nil end
end
local room = redis.call('GET', key.room(roomId))
local total = redis.call('HLEN', key.members(roomId))
if not room and total == 0 then
  stage('ZREM', key.emptyRooms(), roomId)
  commit()
  return { 0, 0 }
end
if room then
  -- The entry of a room whose record is unreadable is removed by repairRoom.
  local created = (decode(room) or {}).createdAt
  if created then stage('ZREM', key.rooms(), string.format('%015d', created) .. ':' .. roomId) end
  stage('ZADD', key.emptyRooms(), 0, roomId)
  append(key.events(roomId), maxStreamLength, event, { ttl = deletedSeconds })
  delete(key.room(roomId))
end
local members = redis.call('HGETALL', key.members(roomId))
local last = math.min(#members, 2 * tonumber(limit))
for index = 1, last, 2 do
  local participant, record = members[index], members[index + 1]
  reserve(roomId, node_of_member(record), -1)
  attempt(function() stage_migration_abort(roomId, participant) end)
  attempt(function() stage('SREM', key.sessionRooms(session_of(participant)), roomId) end)
  stage('HDEL', key.members(roomId), participant)
  delete(key.publicationsOf(roomId, participant))
end
stage_reservations()
if last == #members then
  for _, part in ipairs({ 'members', 'joinOrder', 'publications', 'upgraded', 'pairs', 'migrations', 'retained', 'barred', 'roomRelay', 'mediaRequests', 'linkedRelays', 'reconnecting', 'metadata', 'assignments', 'bans' }) do
    delete(key[part](roomId))
  end
  stage('ZREM', key.emptyRooms(), roomId)
end
commit()
return { room and 1 or 0, (#members - last) / 2 }

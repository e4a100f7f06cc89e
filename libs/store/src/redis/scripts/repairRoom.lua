--[[
Removes the members of a room whose session does not exist, and restores the entries of sessions that lack the room. Reads
about a hundred members from a cursor ("0" begins). A room that does not exist loses its entry `listKey` in the list of rooms.
@args roomId listKey cursor
@result z.tuple([z.string(), z.number(), z.array(z.string())])
Returns {the next cursor, "0" at the end; members that were removed; participants whose records are damaged, which are skipped}.
]]
-- @include leave
if redis.call('EXISTS', key.room(roomId)) == 0 then stage('ZREM', key.rooms(), listKey) end
local page = redis.call('HSCAN', key.members(roomId), cursor, 'COUNT', 100)
local removed, failed = 0, {}
for index = 1, #page[2], 2 do
  local participant = page[2][index]
  local session = session_of(participant)
  local ok, staged = attempt(function()
    if redis.call('EXISTS', key.session(session)) == 0 then return stage_leave(roomId, participant, 'disconnected', '') end
    if redis.call('SISMEMBER', key.sessionRooms(session), roomId) == 0 then stage('SADD', key.sessionRooms(session), roomId) end
  end)
  if not ok then
    failed[#failed + 1] = participant
  elseif staged then
    removed = removed + 1
  end
end
stage_reservations()
commit()
return { page[1], removed, failed }

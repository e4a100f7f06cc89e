--[[
Takes out the members of a room whose session does not exist, and restores the entries of sessions that lack the room. Looks at
about a hundred members from a cursor on ("0" begins).
@args roomId cursor
@result z.tuple([z.string(), z.number()])
Returns {the next cursor, "0" at the end; members that were taken out}.
]]
-- @include leave
local page = redis.call('HSCAN', key.members(roomId), cursor, 'COUNT', 100)
local removed = 0
for index = 1, #page[2], 2 do
  local participant = page[2][index]
  local session = session_of(participant)
  if redis.call('EXISTS', key.session(session)) == 0 then
    if stage_leave(roomId, participant, 'disconnected', '') then removed = removed + 1 end
  elseif redis.call('SISMEMBER', key.sessionRooms(session), roomId) == 0 then
    stage('SADD', key.sessionRooms(session), roomId)
  end
end
stage_reservations()
commit()
return { page[1], removed }

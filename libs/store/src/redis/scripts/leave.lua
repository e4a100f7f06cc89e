--[[
Takes a member out of a room with all that it holds, and the room out of its session's rooms; appends participant_left.
@args roomId participantId reason trace
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the participant is not in the room.
]]
-- @include leave
if not stage_leave(roomId, participantId, reason, trace) then return 0 end
stage_reservations()
commit()
return 1

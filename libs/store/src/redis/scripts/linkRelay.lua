--[[
Keeps the relay of a participant's metadata link.
@args roomId participantId relayId
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the participant is not in the room.
]]
-- @include transaction
if redis.call('HEXISTS', key.members(roomId), participantId) == 0 then return 0 end
stage('HSET', key.linkedRelays(roomId), participantId, relayId)
commit()
return 1

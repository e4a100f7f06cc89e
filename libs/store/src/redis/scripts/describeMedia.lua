--[[
Keeps what a member's media is opened with, for a migration to open the same on another node.
@args roomId participantId mediaRequest
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the participant is not in the room.
]]
-- @include transaction
if redis.call('HEXISTS', key.members(roomId), participantId) == 0 then return 0 end
stage('HSET', key.mediaRequests(roomId), participantId, mediaRequest)
commit()
return 1

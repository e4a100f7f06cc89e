--[[
Removes a publication of a participant; appends publication_removed, with `reason` unless it is empty.
@args roomId participantId publicationId reason
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when it was not there.
]]
-- @include room
if redis.call('SISMEMBER', key.publicationsOf(roomId, participantId), publicationId) == 0 then return 0 end
stage_unpublish(roomId, participantId, publicationId, reason)
commit()
return 1

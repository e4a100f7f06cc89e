--[[
Creates a room. A room of the same id that is still being deleted has to be finished first.
@args roomId room listKey emptyTimeoutMs
@result z.tuple([z.enum(['created', 'known', 'deleting']), z.string()])
]]
-- @include time
-- @include transaction
local known = redis.call('GET', key.room(roomId))
if known then return { 'known', known } end
if redis.call('EXISTS', key.members(roomId)) == 1 then return { 'deleting', '' } end
stage('SET', key.room(roomId), room)
stage('ZADD', key.rooms(), 0, listKey)
stage('PERSIST', key.events(roomId))
if tonumber(emptyTimeoutMs) > 0 then
  stage('ZADD', key.emptyRooms(), now_ms() + emptyTimeoutMs, roomId)
else
  -- The deletion of a room of the same id whose members left during it.
  stage('ZREM', key.emptyRooms(), roomId)
end
commit()
return { 'created', '' }

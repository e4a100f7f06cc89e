--[[
Reads a page of a room's members behind the position `cursor`, at most `maxMembers` and about `maxBytes` bytes of records. With a
`participantId` that is a member, it is the last one of the page. Unless `anyOrder` is empty, members that an earlier version added or removed
are tolerated.
@args roomId participantId cursor maxMembers maxBytes anyOrder
@result z.union([z.literal('UNORDERED'), z.tuple([z.string(), z.array(z.string()), z.array(z.string()), z.array(z.string()), z.string(), z.string(), z.enum(['peer', 'sfu']), z.string()])]).nullable()
Returns {room, members, publications, reconnecting participants, next position or empty, offset, media mode, active migration of the
participant or empty}; nil when the room does not exist; UNORDERED when orderMembers is to run first.
]]
-- @include pages
local room = redis.call('GET', key.room(roomId))
local settings = room and decode(room)
if not settings then return nil end
if anyOrder == '' and is_unordered(roomId) then return 'UNORDERED' end
local own = participantId ~= '' and redis.call('HGET', key.members(roomId), participantId) or nil
local migration = participantId ~= '' and redis.call('HGET', key.migrations(roomId), participantId) or ''
local page = read_page(roomId, cursor, participantId, own, tonumber(maxMembers), tonumber(maxBytes))
return { room, page.members, page.publications, page.reconnecting, page.following, last_offset(key.events(roomId)), media_mode(settings, roomId), migration }

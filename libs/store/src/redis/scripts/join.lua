--[[
Adds a member to a room: reserves capacity on a node, adds the room to the session's rooms, appends participant_joined. The third
member of a peer-to-peer room, and one that may not both publish and subscribe, moves its media to the SFU. A participant that is
in the room already is returned as it is.
The session's claims decide: its room, and its grants, which the member gets. `grants` are those in `joinedEvent`; when the
session has others, nothing is done and those are returned. `member` is the Member without nodeId, grants and joinedAfter,
`resumeHash` that of the joining connection, or empty, `mediaRequest` what media is opened with, or empty. `maxMembers`, `maxBytes` and
`anyOrder` are as for roomPage.
@args roomId participantId sessionId resumeHash userId grants member mediaRequest joinedEvent excludeNodes random1 random2 draw maxRooms maxMembers maxBytes anyOrder
@result z.union([z.enum(['ROOM_NOT_FOUND', 'SESSION_EXPIRED', 'FORBIDDEN', 'BANNED', 'ROOM_FULL', 'TOO_MANY_ROOMS', 'NO_CAPACITY', 'UNORDERED']), z.tuple([z.string()]), z.tuple([z.string(), z.string(), z.array(z.string()), z.array(z.string()), z.array(z.string()), z.string(), z.string(), z.enum(['peer', 'sfu'])])])
Returns {room, member, members of the first page, publications, reconnecting participants, next position or empty, offset, media mode}, or
why not; UNORDERED when orderMembers is to run first.
]]
-- @include placement
-- @include pages
-- @include reservations
-- @include time
-- @include retained
local current_hash, held, room_claim = unpack(redis.call('HMGET', key.session(sessionId), 'resumeHash', 'grants', 'room'))
if not current_hash or (resumeHash ~= '' and resumeHash ~= current_hash) then return 'SESSION_EXPIRED' end
held = held or ''
if not may_be_in(roomId, room_claim or '', held) then return 'FORBIDDEN' end
local room = redis.call('GET', key.room(roomId))
if not room then return 'ROOM_NOT_FOUND' end
if tonumber(redis.call('ZSCORE', key.bans(roomId), userId) or 0) > now_ms() then return 'BANNED' end
if room_grants(held) ~= grants then return { room_grants(held) } end
local settings = cjson.decode(room)
local mode = media_mode(settings, roomId)
local record = redis.call('HGET', key.members(roomId), participantId)
if anyOrder == '' and is_unordered(roomId) then return 'UNORDERED' end
local offset = last_offset(key.events(roomId))
local page = record and read_page(roomId, '0', participantId, record, tonumber(maxMembers), tonumber(maxBytes))
if not record then
  local present = redis.call('HLEN', key.members(roomId))
  if present >= settings.maxParticipants then return 'ROOM_FULL' end
  if redis.call('SCARD', key.sessionRooms(sessionId)) >= tonumber(maxRooms) then return 'TOO_MANY_ROOMS' end
  local node = choose_node({
    room = roomId, spread = settings.spread, exclude = set_of(excludeNodes),
    random1 = tonumber(random1), random2 = tonumber(random2), draw = tonumber(draw),
  })
  if not node then return 'NO_CAPACITY' end
  record = node .. ' - ' .. grants .. ' ' .. string.sub(member, 1, -2) .. ',"joinedAfter":"' .. offset .. '"}'
  page = read_page(roomId, '0', participantId, record, tonumber(maxMembers), tonumber(maxBytes))
  stage('HSET', key.members(roomId), participantId, record)
  stage('ZADD', key.joinOrder(roomId), last_position(roomId) + 1, participantId)
  stage('SADD', key.sessionRooms(sessionId), roomId)
  stage('ZREM', key.emptyRooms(), roomId)
  stage_unbar(roomId, participantId)
  reserve(roomId, node, 1)
  append_event(roomId, joinedEvent)
  if redis.call('ZSCORE', key.detached(), sessionId) then
    stage('SADD', key.reconnecting(roomId), participantId)
    page.reconnecting[#page.reconnecting + 1] = participantId
  end
  if mode == 'peer' and (present + 1 > 2 or not may_call_directly(grants)) then
    mode = 'sfu'
    stage_sfu_mode(roomId)
  end
  if mode == 'sfu' and mediaRequest ~= '' then stage('HSET', key.mediaRequests(roomId), participantId, mediaRequest) end
  stage_reservations()
  commit()
  offset = appended[#appended].offset
end
return { room, record, page.members, page.publications, page.reconnecting, page.following, offset, mode }

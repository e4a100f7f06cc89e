-- @include time
-- @include migrations
-- @include retained
-- The rooms of the departures that are staged, one entry each.
local departures = {}
journals[#journals + 1] = departures

local function departures_from(room)
  local count = 0
  for _, each in ipairs(departures) do
    if each == room then count = count + 1 end
  end
  return count
end

-- Stages the departure of a member with all that it holds: publications, migration, capacity, its session's entry. Returns false
-- when it is not in the room. What it retained is kept, unless it was removed or revoked. `trace` is `,"trace":{...}` or empty.
local function stage_leave(room, participant, reason, trace)
  local member = redis.call('HGET', key.members(room), participant)
  if not member then return false end
  stage('HDEL', key.members(room), participant)
  stage('ZREM', key.joinOrder(room), participant)
  stage('HDEL', key.mediaRequests(room), participant)
  stage('HDEL', key.linkedRelays(room), participant)
  stage('SREM', key.reconnecting(room), participant)
  stage('SREM', key.sessionRooms(session_of(participant)), room)
  reserve(room, node_of_member(member), -1)
  stage_migration_abort(room, participant)
  local ids = redis.call('SMEMBERS', key.publicationsOf(room, participant))
  for from = 1, #ids, 500 do
    stage('HDEL', key.publications(room), unpack(ids, from, math.min(from + 499, #ids)))
  end
  delete(key.publicationsOf(room, participant))
  delete(key.pairs(room))
  if reason == 'removed' or reason == 'revoked' then stage_bar(room, participant) end
  append_event(room, '{"type":"participant_left","from":"system","payload":{"participantId":"' .. participant .. '","reason":"' .. reason
    .. '","publicationIds":' .. json_list(ids) .. '}' .. trace .. '}')
  departures[#departures + 1] = room
  if redis.call('HLEN', key.members(room)) == departures_from(room) then
    delete(key.upgraded(room))
    local settings = redis.call('GET', key.room(room))
    local timeout = settings and (decode(settings) or {}).emptyTimeoutSeconds or 0
    if timeout > 0 then stage('ZADD', key.emptyRooms(), now_ms() + timeout * 1000, room) end
  end
  return true
end

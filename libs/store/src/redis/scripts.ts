/**
 * The store's Lua scripts. Each is one step: nobody sees half of it. A script opens with its keys, arguments and result.
 * JSON that the script does not have to look into comes ready from the caller.
 */
import { dataField, maxStreamLength, streamLua } from '@flotilla/bus';
import { affinityLoadLimit, keptMessagesPerUser, keptReports, messagesKeptSeconds, nodeTimeoutMs } from '../store.ts';

/** Milliseconds of Redis's own clock: every service's clocks may differ, this one is the same for all. */
const prelude = `
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

${streamLua}
local function tell(stream, event)
  append(stream, ${maxStreamLength}, event)
end

local function media_mode(room, upgraded)
  return room.peerToPeer and redis.call('EXISTS', upgraded) == 0 and 'peer' or 'sfu'
end
`;

/** The same choice as chooseNode in placement.ts; its comments say why. */
const chooseNode = `
local function choose_node(beats, slots, reserved, homes, stay_together, exclude, random1, random2)
  local alive = redis.call('ZRANGEBYSCORE', beats, now_ms() - ${nodeTimeoutMs}, '+inf')
  local free = {}
  for _, id in ipairs(alive) do
    local slot = redis.call('HGET', slots, id)
    local state, capacity, cpu = string.match(slot or '', '^(%S+) (%S+) (%S+)$')
    local taken = tonumber(redis.call('HGET', reserved, id) or '0')
    if state == 'active' and not exclude[id] and taken < tonumber(capacity) then
      free[#free + 1] = {
        id = id,
        load = math.max(taken / tonumber(capacity), tonumber(cpu)),
        hosting = stay_together and tonumber(redis.call('HGET', homes, id) or '0') > 0
      }
    end
  end
  table.sort(free, function(a, b)
    if a.load ~= b.load then return a.load < b.load end
    return a.id < b.id
  end)
  for _, node in ipairs(free) do
    if node.hosting and node.load < ${affinityLoadLimit} then return node.id end
  end
  local among = math.max(math.min(#free, 2), math.ceil(#free / 2))
  if among == 0 then return nil end
  if among == 1 then return free[1].id end
  local first = math.floor(random1 * among)
  local second = math.floor(random2 * (among - 1))
  if second >= first then second = second + 1 end
  return free[math.min(first, second) + 1].id
end

local function reserve(reserved, homes, node, places)
  if redis.call('HINCRBY', reserved, node, places) <= 0 then redis.call('HDEL', reserved, node) end
  if redis.call('HINCRBY', homes, node, places) <= 0 then redis.call('HDEL', homes, node) end
end

-- A migration that ends without the member being moved gives its place back.
local function drop_migration(migrations, running, former, reserved, homes, room, participant)
  local record = redis.call('HGET', migrations, participant)
  if not record then return nil end
  local migration = cjson.decode(record)
  reserve(reserved, homes, migration.toNode, -1)
  redis.call('HDEL', migrations, participant)
  redis.call('ZREM', running, room .. '/' .. participant)
  redis.call('DEL', former)
  return migration
end


local function set_of(json)
  local set = {}
  for _, id in ipairs(cjson.decode(json)) do set[id] = true end
  return set
end
`;

interface Script {
  readonly numberOfKeys: number;
  readonly lua: string;
}

export const scripts = {
  /**
   * keys: room, rooms, emptyRooms, events. args: room JSON, list key, room id, empty timeout ms (0: never).
   * Returns the room there was, or nil when this one was created.
   */
  createRoom: {
    numberOfKeys: 4,
    lua: `${prelude}
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 0, ARGV[2])
redis.call('PERSIST', KEYS[4])
if tonumber(ARGV[4]) > 0 then redis.call('ZADD', KEYS[3], now_ms() + ARGV[4], ARGV[3]) end
return nil`,
  },

  /**
   * keys: room, members, homes, publications, events, rooms, emptyRooms, reserved, upgraded, pairs, migrations, retained, roomRelay. args: room id, list key,
   * event JSON, prefix of the publicationsOf keys, seconds the stream is kept. Returns 1, or 0 when there was no room.
   */
  deleteRoom: {
    numberOfKeys: 13,
    lua: `${prelude}${chooseNode}
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
local homes = redis.call('HGETALL', KEYS[3])
for index = 1, #homes, 2 do reserve(KEYS[8], KEYS[3], homes[index], -tonumber(homes[index + 1])) end
for _, participant in ipairs(redis.call('HKEYS', KEYS[2])) do redis.call('DEL', ARGV[4] .. participant) end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13])
redis.call('ZREM', KEYS[6], ARGV[2])
redis.call('ZREM', KEYS[7], ARGV[1])
tell(KEYS[5], ARGV[3])
redis.call('EXPIRE', KEYS[5], ARGV[5])
return 1`,
  },

  /**
   * keys: room, members, homes, publications, events, emptyRooms, beats, slots, reserved, upgraded, pairs. args: room id,
   * participant id, member JSON without its node, event JSON, excluded nodes as a JSON array, two random numbers, JSON of
   * the event that the media goes through the SFU.
   * Returns {room, member, members, publications, offset, media mode}, or the code of what is in the way.
   */
  join: {
    numberOfKeys: 11,
    lua: `${prelude}${chooseNode}
local room = redis.call('GET', KEYS[1])
if not room then return 'ROOM_NOT_FOUND' end
local settings = cjson.decode(room)
local member = redis.call('HGET', KEYS[2], ARGV[2])
if not member then
  if redis.call('HLEN', KEYS[2]) >= settings.maxParticipants then return 'ROOM_FULL' end
  local node = choose_node(KEYS[7], KEYS[8], KEYS[9], KEYS[3], not settings.spread, set_of(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
  if not node then return 'NO_CAPACITY' end
  member = string.sub(ARGV[3], 1, -2) .. ',"nodeId":"' .. node .. '"}'
  redis.call('HSET', KEYS[2], ARGV[2], member)
  reserve(KEYS[9], KEYS[3], node, 1)
  redis.call('ZREM', KEYS[6], ARGV[1])
  tell(KEYS[5], ARGV[4])
  if media_mode(settings, KEYS[10]) == 'peer' and redis.call('HLEN', KEYS[2]) > 2 then
    redis.call('SET', KEYS[10], 1)
    redis.call('DEL', KEYS[11])
    tell(KEYS[5], ARGV[8])
  end
end
return {room, member, redis.call('HVALS', KEYS[2]), redis.call('HVALS', KEYS[4]), last_offset(KEYS[5]), media_mode(settings, KEYS[10])}`,
  },

  /**
   * keys: room, members, homes, publications, publicationsOf, events, emptyRooms, reserved, upgraded, pairs, migrations,
   * running, former. args: room id,
   * participant id, reason, `,"trace":{...}` or nothing. Returns 1, or 0 when the participant was not there.
   */
  leave: {
    numberOfKeys: 13,
    lua: `${prelude}${chooseNode}
local member = redis.call('HGET', KEYS[2], ARGV[2])
if not member then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
reserve(KEYS[8], KEYS[3], cjson.decode(member).nodeId, -1)
drop_migration(KEYS[11], KEYS[12], KEYS[13], KEYS[8], KEYS[3], ARGV[1], ARGV[2])
local ids = redis.call('SMEMBERS', KEYS[5])
if #ids > 0 then redis.call('HDEL', KEYS[4], unpack(ids)) end
redis.call('DEL', KEYS[5], KEYS[10])
-- cjson writes an empty table as an object.
local list = #ids > 0 and cjson.encode(ids) or '[]'
tell(KEYS[6], '{"type":"participant_left","from":"system","payload":{"participantId":"' .. ARGV[2] .. '","reason":"' .. ARGV[3] .. '","publicationIds":' .. list .. '}' .. ARGV[4] .. '}')
if redis.call('HLEN', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[9])
  local timeout = cjson.decode(redis.call('GET', KEYS[1])).emptyTimeoutSeconds
  if timeout > 0 then redis.call('ZADD', KEYS[7], now_ms() + timeout * 1000, ARGV[1]) end
end
return 1`,
  },

  /**
   * keys: room, members, homes, beats, slots, reserved, events, migrations, running, former. args: room id, participant id,
   * excluded nodes as a JSON array, two random numbers. Returns {member}, or the code of what is in the way.
   */
  replace: {
    numberOfKeys: 10,
    lua: `${prelude}${chooseNode}
local old = redis.call('HGET', KEYS[2], ARGV[2])
if not old then return 'NOT_IN_ROOM' end
local spread = cjson.decode(redis.call('GET', KEYS[1])).spread
local node = choose_node(KEYS[4], KEYS[5], KEYS[6], KEYS[3], not spread, set_of(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
if not node then return 'NO_CAPACITY' end
drop_migration(KEYS[8], KEYS[9], KEYS[10], KEYS[6], KEYS[3], ARGV[1], ARGV[2])
local member = cjson.decode(old)
reserve(KEYS[6], KEYS[3], member.nodeId, -1)
reserve(KEYS[6], KEYS[3], node, 1)
member.nodeId = node
local text = cjson.encode(member)
redis.call('HSET', KEYS[2], ARGV[2], text)
tell(KEYS[7], '{"type":"participant_moved","from":"system","payload":{"participantId":"' .. ARGV[2] .. '","nodeId":"' .. node .. '"}}')
return {text}`,
  },

  /**
   * keys: members, publications, publicationsOf, events, migrations, former. args: participant id, publication id, node id,
   * publication JSON, event JSON if it is new, event JSON if it is known, seconds a former publication is kept. Returns 1; 0
   * when the participant is not homed on that node, nor moved to it; -1 when the publication is somebody else's.
   */
  putPublication: {
    numberOfKeys: 6,
    lua: `${prelude}
local member = redis.call('HGET', KEYS[1], ARGV[1])
if not member then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 and redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 0 then return -1 end
if cjson.decode(member).nodeId ~= ARGV[3] then
  local migration = redis.call('HGET', KEYS[5], ARGV[1])
  if not migration or cjson.decode(migration).toNode ~= ARGV[3] then return 0 end
  local before = redis.call('HGET', KEYS[2], ARGV[2])
  if before then
    redis.call('HSETNX', KEYS[6], ARGV[2], before)
    redis.call('EXPIRE', KEYS[6], ARGV[7])
  end
end
local added = redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
redis.call('SADD', KEYS[3], ARGV[2])
tell(KEYS[4], added == 1 and ARGV[5] or ARGV[6])
return 1`,
  },

  /** keys: publications, publicationsOf, events. args: publication id, event JSON. Returns 1, or 0 when it was not there. */
  removePublication: {
    numberOfKeys: 3,
    lua: `${prelude}
if redis.call('SREM', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
tell(KEYS[3], ARGV[2])
return 1`,
  },

  /**
   * keys: room, members, upgraded, pairs, events. args: pair, its two participants, expected version, `<state> <record>` or
   * nothing to leave those there, event JSON. Returns 1, or 0 when it is not in that state any more.
   */
  putPair: {
    numberOfKeys: 5,
    lua: `${prelude}
local room = redis.call('GET', KEYS[1])
if not room or media_mode(cjson.decode(room), KEYS[3]) ~= 'peer' then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 or redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then return 0 end
local version = string.match(redis.call('HGET', KEYS[4], ARGV[1]) or '0 ', '^(%d+) ')
if version ~= ARGV[4] then return 0 end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[4], ARGV[1], string.format('%d', version + 1) .. ' ' .. ARGV[5]) end
tell(KEYS[5], ARGV[6])
return 1`,
  },

  /** keys: nodes, beats, slots, stream. args: node id, report JSON, slot, statistics JSON. */
  reportNode: {
    numberOfKeys: 5,
    lua: `${prelude}
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now_ms(), ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
append(KEYS[4], ${keptReports}, ARGV[4])
redis.call('HSET', KEYS[5], ARGV[1], ARGV[5])`,
  },

  /** keys: nodes, beats, reserved. Returns {reports, beats with scores, reserved, now}. */
  listNodes: {
    numberOfKeys: 3,
    lua: `${prelude}
return {redis.call('HVALS', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'), redis.call('HGETALL', KEYS[3]), tostring(now_ms())}`,
  },

  /** keys: relays, relay beats. args: relay id, report JSON. */
  reportRelay: {
    numberOfKeys: 2,
    lua: `${prelude}
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now_ms(), ARGV[1])`,
  },

  /** keys: relays, relay beats. Returns {reports, beats with scores, now}. */
  listRelays: {
    numberOfKeys: 2,
    lua: `${prelude}
return {redis.call('HVALS', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'), tostring(now_ms())}`,
  },

  /** keys: emptyRooms. args: limit. Returns the ids of rooms whose time is over. */
  expiredRooms: {
    numberOfKeys: 1,
    lua: `${prelude}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])`,
  },

  /**
   * keys: session, resume, gatewaySessions, userSessions, inbox. args: session id, resume hash, then the fields and values
   * of the record. Returns the last offset of the inbox.
   */
  openSession: {
    numberOfKeys: 5,
    lua: `${prelude}
redis.call('HSET', KEYS[1], 'resumeHash', ARGV[2], unpack(ARGV, 3))
redis.call('SET', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('SADD', KEYS[4], ARGV[1])
return last_offset(KEYS[5])`,
  },

  /** keys: session. args: the fields and values of the claims; a field of its own for each, empty ones too. */
  refreshSession: {
    numberOfKeys: 1,
    lua: `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV)) end`,
  },

  /**
   * keys: userSessions, inbox, detached. args: user id, message JSON, prefix of session keys, prefix of gateway streams.
   * Returns the message's offset in the inbox, or nil when the user has no session.
   */
  sendToUser: {
    numberOfKeys: 3,
    lua: `${prelude}
local now = now_ms()
local gateways, reachable = {}, false
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local due = redis.call('ZSCORE', KEYS[3], id)
  if not due then
    local gateway = redis.call('HGET', ARGV[3] .. id, 'gatewayId')
    if gateway then
      gateways[gateway] = true
      reachable = true
    end
  elseif tonumber(due) > now then
    reachable = true
  end
end
if not reachable then return nil end
local offset = redis.call('XADD', KEYS[2], 'MAXLEN', ${keptMessagesPerUser}, '*', '${dataField}', ARGV[2])
redis.call('EXPIRE', KEYS[2], ${messagesKeptSeconds})
for gateway in pairs(gateways) do
  tell(ARGV[4] .. gateway, '{"type":"user_message","userId":"' .. ARGV[1] .. '","seq":"' .. offset .. '","message":' .. ARGV[2] .. '}')
end
return offset`,
  },

  /** keys: session, sessionRooms. args: room id, 1 or 0. */
  setSessionRoom: {
    numberOfKeys: 2,
    lua: `
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call(ARGV[2] == '1' and 'SADD' or 'SREM', KEYS[2], ARGV[1])
end`,
  },

  /** keys: session, detached. args: session id, resume hash, window ms, gatewaySessions with a % for the id. */
  detachSession: {
    numberOfKeys: 2,
    lua: `${prelude}
if redis.call('HGET', KEYS[1], 'resumeHash') ~= ARGV[2] then return end
local gateway = redis.call('HGET', KEYS[1], 'gatewayId')
redis.call('SREM', (string.gsub(ARGV[4], '%%', gateway)), ARGV[1])
redis.call('ZADD', KEYS[2], now_ms() + ARGV[3], ARGV[1])`,
  },

  /**
   * keys: resume, next resume, detached, gatewaySessions. args: prefix of session keys, next hash, gateway id, prefix of
   * gatewaySessions keys with a % for the id. Returns {session id, record, rooms} as it was, or nil.
   */
  resumeSession: {
    numberOfKeys: 4,
    lua: `${prelude}
local id = redis.call('GET', KEYS[1])
if not id then return nil end
local session = ARGV[1] .. id
if redis.call('EXISTS', session) == 0 then redis.call('DEL', KEYS[1]) return nil end
local due = redis.call('ZSCORE', KEYS[3], id)
if due and tonumber(due) <= now_ms() then return nil end
local record = redis.call('HGETALL', session)
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], id)
local before = redis.call('HGET', session, 'gatewayId')
redis.call('SREM', (string.gsub(ARGV[4], '%%', before)), id)
redis.call('SADD', KEYS[4], id)
redis.call('HSET', session, 'gatewayId', ARGV[3], 'resumeHash', ARGV[2])
return {id, record, redis.call('SMEMBERS', session .. ':rooms')}`,
  },

  /** keys: resume, detached. args: prefix of session keys. Returns 1 when resumeSession would find a session, else 0. */
  isResumable: {
    numberOfKeys: 2,
    lua: `${prelude}
local id = redis.call('GET', KEYS[1])
if not id or redis.call('EXISTS', ARGV[1] .. id) == 0 then return 0 end
local due = redis.call('ZSCORE', KEYS[2], id)
return (due and tonumber(due) <= now_ms()) and 0 or 1`,
  },

  /**
   * keys: session, sessionRooms, detached. args: session id, prefix of resume keys, gatewaySessions and userSessions with a
   * % for the id.
   */
  closeSession: {
    numberOfKeys: 3,
    lua: `
local user = redis.call('HGET', KEYS[1], 'userId')
-- string.gsub would take a part of some user ids for a pattern.
if user then
  local at = string.find(ARGV[4], '%', 1, true)
  redis.call('SREM', string.sub(ARGV[4], 1, at - 1) .. user .. string.sub(ARGV[4], at + 1), ARGV[1])
end
local hash = redis.call('HGET', KEYS[1], 'resumeHash')
if hash then redis.call('DEL', ARGV[2] .. hash) end
local gateway = redis.call('HGET', KEYS[1], 'gatewayId')
if gateway then redis.call('SREM', (string.gsub(ARGV[3], '%%', gateway)), ARGV[1]) end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])`,
  },

  /** keys: gateways. args: gateway id. Returns 1 when it was known, else 0. */
  gatewayAlive: {
    numberOfKeys: 1,
    lua: `${prelude}
return 1 - redis.call('ZADD', KEYS[1], now_ms(), ARGV[1])`,
  },

  /** keys: detached, gatewaySessions. args: gateway id, prefix of session keys, then session ids. */
  reattachSessions: {
    numberOfKeys: 2,
    lua: `
for index = 3, #ARGV do
  local id = ARGV[index]
  if redis.call('HGET', ARGV[2] .. id, 'gatewayId') == ARGV[1] then
    redis.call('ZREM', KEYS[1], id)
    redis.call('SADD', KEYS[2], id)
  end
end`,
  },

  /**
   * keys: gateways, detached. args: silent ms, window ms, gatewaySessions with a % for the id.
   * Returns how many sessions lost their gateway.
   */
  detachOrphaned: {
    numberOfKeys: 2,
    lua: `${prelude}
local now = now_ms()
local count = 0
for _, gateway in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])) do
  local sessions = (string.gsub(ARGV[3], '%%', gateway))
  for _, id in ipairs(redis.call('SMEMBERS', sessions)) do
    redis.call('ZADD', KEYS[2], 'NX', now + ARGV[2], id)
    count = count + 1
  end
  redis.call('DEL', sessions)
  redis.call('ZREM', KEYS[1], gateway)
end
return count`,
  },

  /** keys: detached. args: limit. Returns the ids of sessions whose window is over. */
  dueSessions: {
    numberOfKeys: 1,
    lua: `${prelude}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])`,
  },

  /**
   * keys: room, members, homes, beats, slots, reserved, migrations, running. args: room id, participant id, migration JSON
   * without its nodes, the node asked for or empty, two random numbers, deadline ms. Returns {migration}, or the code of what
   * is in the way.
   */
  beginMigration: {
    numberOfKeys: 8,
    lua: `${prelude}${chooseNode}
local text = redis.call('HGET', KEYS[2], ARGV[2])
if not text then return 'NOT_IN_ROOM' end
if redis.call('HEXISTS', KEYS[7], ARGV[2]) == 1 then return 'MIGRATION_RUNNING' end
local from = cjson.decode(text).nodeId
local exclude = {[from] = true}
if ARGV[4] ~= '' then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do exclude[id] = id ~= ARGV[4] or id == from end
end
local spread = cjson.decode(redis.call('GET', KEYS[1])).spread
local to = choose_node(KEYS[4], KEYS[5], KEYS[6], KEYS[3], not spread, exclude, tonumber(ARGV[5]), tonumber(ARGV[6]))
if not to then return 'NO_CAPACITY' end
reserve(KEYS[6], KEYS[3], to, 1)
local migration = string.sub(ARGV[3], 1, -2) .. ',"fromNode":"' .. from .. '","toNode":"' .. to .. '","step":"reserved"}'
redis.call('HSET', KEYS[7], ARGV[2], migration)
redis.call('ZADD', KEYS[8], ARGV[7], ARGV[1] .. '/' .. ARGV[2])
return {migration}`,
  },

  /** keys: migrations, events. args: participant id, migration id, migration JSON, event JSON. Returns 1, or 0 when it is over. */
  migrationPrepared: {
    numberOfKeys: 2,
    lua: `${prelude}
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record or cjson.decode(record).id ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
tell(KEYS[2], ARGV[4])
return 1`,
  },

  /**
   * keys: members, homes, reserved, migrations, running, former, events. args: room id, participant id, migration id.
   * Returns 1, or 0 when it is over.
   */
  commitMigration: {
    numberOfKeys: 7,
    lua: `${prelude}${chooseNode}
local record = redis.call('HGET', KEYS[4], ARGV[2])
if not record then return 0 end
local migration = cjson.decode(record)
if migration.id ~= ARGV[3] then return 0 end
local member = cjson.decode(redis.call('HGET', KEYS[1], ARGV[2]))
reserve(KEYS[3], KEYS[2], member.nodeId, -1)
member.nodeId = migration.toNode
redis.call('HSET', KEYS[1], ARGV[2], cjson.encode(member))
redis.call('HDEL', KEYS[4], ARGV[2])
redis.call('ZREM', KEYS[5], ARGV[1] .. '/' .. ARGV[2])
redis.call('DEL', KEYS[6])
tell(KEYS[7], '{"type":"participant_moved","from":"system","payload":{"participantId":"' .. ARGV[2] .. '","nodeId":"' .. migration.toNode .. '","migrationId":"' .. ARGV[3] .. '"}}')
return 1`,
  },

  /**
   * keys: homes, reserved, publications, migrations, running, former, events. args: room id, participant id, migration id.
   * Returns the ids of the publications that were put back, or nil when it is over.
   */
  rollBackMigration: {
    numberOfKeys: 7,
    lua: `${prelude}${chooseNode}
local record = redis.call('HGET', KEYS[4], ARGV[2])
if not record or cjson.decode(record).id ~= ARGV[3] then return nil end
local former = redis.call('HGETALL', KEYS[6])
local restored = {}
for index = 1, #former, 2 do
  -- One that was withdrawn meanwhile stays so.
  if redis.call('HEXISTS', KEYS[3], former[index]) == 1 then
    redis.call('HSET', KEYS[3], former[index], former[index + 1])
    restored[#restored + 1] = former[index]
    tell(KEYS[7], '{"type":"publication_updated","from":"' .. ARGV[2] .. '","payload":{"publication":' .. former[index + 1] .. '}}')
  end
end
local migration = drop_migration(KEYS[4], KEYS[5], KEYS[6], KEYS[2], KEYS[1], ARGV[1], ARGV[2])
tell(KEYS[7], '{"type":"migration_rolled_back","from":"system","only":["' .. migration.sessionId .. '"],"payload":{"migrationId":"' .. ARGV[3] .. '"}}')
return restored`,
  },

  /**
   * keys: history, historyOrder. args: migration id, when it began, record JSON, how many are kept. What was known of it and
   * is not in the record stays.
   */
  rememberMigration: {
    numberOfKeys: 2,
    lua: `
local known = redis.call('HGET', KEYS[1], ARGV[1])
local record = known and cjson.decode(known) or {}
for field, value in pairs(cjson.decode(ARGV[3])) do record[field] = value end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[4])) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end`,
  },

  /** keys: history. args: migration id, session id, report JSON. Returns 1, or 0 unless it is that session's and the first. */
  reportMigration: {
    numberOfKeys: 1,
    lua: `
local known = redis.call('HGET', KEYS[1], ARGV[1])
local record = known and cjson.decode(known)
if not record or record.sessionId ~= ARGV[2] or record.ms then return 0 end
for field, value in pairs(cjson.decode(ARGV[3])) do record[field] = value end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
return 1`,
  },

  /** keys: lease, leaseTerms. args: holder, ms, the lease's name. Returns its term, or nil when somebody has it. */
  acquireLease: {
    numberOfKeys: 2,
    lua: `
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return nil end
return redis.call('HINCRBY', KEYS[2], ARGV[3], 1)`,
  },

  /** keys: lease. args: holder, ms. Returns 1, or 0 when it is not the holder's any more. */
  renewLease: {
    numberOfKeys: 1,
    lua: `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  },

  /** keys: lease. args: holder. */
  releaseLease: {
    numberOfKeys: 1,
    lua: `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`,
  },
} as const satisfies Record<string, Script>;

export type ScriptName = keyof typeof scripts;

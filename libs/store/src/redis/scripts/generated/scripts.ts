// Made from the .lua files of this folder by `npm run generate`.
/* oxlint-disable */
import { z } from 'zod';

export interface ScriptArguments {
  acquireLease: { name: string | number; holder: string | number; ms: string | number };
  announceExperiment: { name: string | number; record: string | number; ms: string | number };
  beginMigration: { roomId: string | number; participantId: string | number; migration: string | number; migrationId: string | number; startedAt: string | number; deadline: string | number; fromNode: string | number; toNode: string | number; random1: string | number; random2: string | number; draw: string | number; term: string | number };
  closeSession: { sessionId: string | number; reason: string | number; resumeHash: string | number; expiredOnly: string | number; revokedEvent: string | number; trace: string | number };
  commitMigration: { roomId: string | number; participantId: string | number; migrationId: string | number; endedAt: string | number; trace: string | number };
  confirmResume: { sessionId: string | number; usedHash: string | number; nextHash: string | number };
  createRoom: { roomId: string | number; room: string | number; listKey: string | number; emptyTimeoutMs: string | number };
  deadGateways: { timeoutMs: string | number };
  deleteRoom: { roomId: string | number; event: string | number; deletedSeconds: string | number; limit: string | number; expiredOnly: string | number };
  describeMedia: { roomId: string | number; participantId: string | number; mediaRequest: string | number };
  detachOrphaned: { gatewayId: string | number; timeoutMs: string | number; windowMs: string | number; limit: string | number };
  detachSession: { sessionId: string | number; resumeHash: string | number; windowMs: string | number };
  dropMigration: { roomId: string | number; participantId: string | number };
  dueSessions: { limit: string | number };
  expiredRooms: { limit: string | number };
  gatewayAlive: { gatewayId: string | number };
  isOpenable: { userId: string | number; tokenId: string | number; issuedAt: string | number };
  isResumable: { resumeHash: string | number };
  join: { roomId: string | number; participantId: string | number; sessionId: string | number; resumeHash: string | number; userId: string | number; grants: string | number; member: string | number; mediaRequest: string | number; joinedEvent: string | number; excludeNodes: string | number; random1: string | number; random2: string | number; draw: string | number; maxRooms: string | number; maxMembers: string | number; maxBytes: string | number; anyOrder: string | number };
  leave: { roomId: string | number; participantId: string | number; reason: string | number; trace: string | number; banUser: string | number; banSeconds: string | number };
  linkRelay: { roomId: string | number; participantId: string | number; relayId: string | number };
  listBans: { roomId: string | number; from: string | number; skip: string | number; limit: string | number };
  listBreakers: {  };
  listExperiments: {  };
  listNodes: {  };
  listRelays: {  };
  lockSnapshot: { name: string | number; holder: string | number; ms: string | number };
  messagesToUser: { userId: string | number };
  openSession: { sessionId: string | number; resumeHash: string | number; userId: string | number; gatewayId: string | number; tokenId: string | number; tokenSeconds: string | number; issuedAt: string | number; fields: readonly string[] };
  orderCanary: { order: string | number };
  orderMembers: { roomId: string | number; cursor: string | number; position: string | number };
  prepareMigration: { roomId: string | number; participantId: string | number; migrationId: string | number; event: string | number };
  putPair: { roomId: string | number; pair: string | number; one: string | number; other: string | number; expectedVersion: string | number; update: string | number; event: string | number };
  putPublication: { roomId: string | number; participantId: string | number; publicationId: string | number; nodeId: string | number; publication: string | number; addedEvent: string | number; updatedEvent: string | number; maxPublications: string | number; previousSeconds: string | number };
  readSnapshot: { name: string | number; known: string | number };
  reassign: { roomId: string | number; participantId: string | number; excludeNodes: string | number; fromNode: string | number; toNode: string | number; random1: string | number; random2: string | number; draw: string | number; migration: string | number; migrationId: string | number; startedAt: string | number; lostAfterMs: string | number; term: string | number; trace: string | number };
  reattachSessions: { gatewayId: string | number; sessionIds: readonly string[] };
  recordScaling: { at: string | number; record: string | number };
  refreshSession: { sessionId: string | number; resumeHash: string | number; tokenId: string | number; tokenSeconds: string | number; issuedAt: string | number; room: string | number; grants: string | number; trace: string | number; claims: readonly string[] };
  releaseLease: { name: string | number; holder: string | number };
  removeCanary: { term: string | number };
  removeNode: { nodeId: string | number };
  removePublication: { roomId: string | number; participantId: string | number; publicationId: string | number; reason: string | number };
  removeRelay: { relayId: string | number };
  renewLease: { name: string | number; holder: string | number; ms: string | number };
  renewSnapshotLock: { name: string | number; holder: string | number; ms: string | number };
  repairNodes: { from: string | number };
  repairRoom: { roomId: string | number; listKey: string | number; cursor: string | number };
  reportBreakers: { reporter: string | number; report: string | number; shownMs: string | number };
  reportMigration: { migrationId: string | number; sessionId: string | number; report: string | number };
  reportNode: { nodeId: string | number; report: string | number; state: string | number; version: string | number; slot: string | number; stats: string | number; peerScores: string | number };
  reportRelay: { relayId: string | number; report: string | number };
  requireBridge: { roomId: string | number; sessionId: string | number; resumeHash: string | number };
  resumeSession: { resumeHash: string | number; nextHash: string | number; gatewayId: string | number };
  retain: { roomId: string | number; publisherId: string | number; field: string | number; unnamed: string | number; message: string | number };
  revokeTokens: { whose: string | number; issuedBefore: string | number; keptSeconds: string | number };
  rollBackMigration: { roomId: string | number; participantId: string | number; migrationId: string | number; ending: string | number; endedAt: string | number; trace: string | number };
  roomPage: { roomId: string | number; participantId: string | number; cursor: string | number; maxMembers: string | number; maxBytes: string | number; anyOrder: string | number };
  sendToUser: { userId: string | number; message: string | number };
  unlockSnapshot: { name: string | number; holder: string | number };
  writeCanary: { term: string | number; record: string | number; evidence: string | number; stable: string | number; previous: string | number; candidate: string | number; share: string | number; excluded: string | number; done: string | number };
  writeSnapshot: { name: string | number; holder: string | number; version: string | number; ageMs: string | number; text: string | number; keptMs: string | number };
}

export type ScriptName = keyof ScriptArguments;

const include = {
  acceptance: `local function is_revoked(user, issued_at)
  for _, whose in ipairs({ user, '*' }) do
    local before = redis.call('GET', key.cutoff(whose))
    if before and tonumber(issued_at) < tonumber(before) then return true end
  end
  return false
end
local function is_used(token) return redis.call('EXISTS', key.usedToken(token)) == 1 end`,
  canary: `local function placement_state(state, version)
  if state ~= 'active' then return state end
  local stable = redis.call('HGET', key.canary(), 'stable')
  if not stable then return state end
  local excluded = redis.call('HGET', key.canary(), 'excluded') or ''
  if string.find(excluded, ' ' .. version .. ' ', 1, true) then return 'cordoned' end
  if version == stable or version == redis.call('HGET', key.canary(), 'previous') then return state end
  return version == redis.call('HGET', key.canary(), 'candidate') and 'candidate' or 'cordoned'
end`,
  grants: `local function stage_grants(session, room_claim, grants, trace)
  local participant = participant_of(session)
  local new = room_grants(grants)
  local bitrate = string.match(new, 'bitrate=(%d+)')
  local list = json_list(new == '-' and {} or split((string.gsub(new, ',bitrate=%d+', ''))))
  local rights = '"grants":' .. list .. (bitrate and ',"maxPublishBitrate":' .. bitrate or '')
  for _, room in ipairs(redis.call('SMEMBERS', key.sessionRooms(session))) do
    attempt(function()
      local member = redis.call('HGET', key.members(room), participant)
      if not member or grants_of_member(member) == new and may_be_in(room, room_claim, grants) then return end
      if not may_be_in(room, room_claim, grants) then
        stage_leave(room, participant, 'removed', trace)
        return
      end
      stage('HSET', key.members(room), participant, member_record(member, { grants = new }))
      append_event(room, '{"type":"grants_changed","from":"system","payload":{"participantId":"' .. participant .. '",' .. rights .. '}' .. trace .. '}')
      if has_grant(new, 'publish') then
        stage_unbar(room, participant)
      else
        stage_bar(room, participant)
        for _, id in ipairs(redis.call('SMEMBERS', key.publicationsOf(room, participant))) do
          stage_unpublish(room, participant, id)
        end
      end
      local settings = decode(redis.call('GET', key.room(room)) or '')
      if settings and media_mode(settings, room) == 'peer' and not may_call_directly(new) then stage_sfu_mode(room) end
    end)
  end
end`,
  leave: `local departures = {}
journals[#journals + 1] = departures
local function departures_from(room)
  local count = 0
  for _, each in ipairs(departures) do
    if each == room then count = count + 1 end
  end
  return count
end
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
end`,
  migrations: `local function stage_migration_end(room, participant)
  local record = redis.call('HGET', key.migrations(room), participant)
  if not record then return nil end
  local migration = decode(record)
  if migration then reserve(room, migration.toNode, -1) end
  stage('HDEL', key.migrations(room), participant)
  stage('ZREM', key.running(), room .. '/' .. participant)
  delete(key.previous(room, participant))
  return migration
end
local function stage_history(id, started_at, changes)
  local known = redis.call('HGET', key.history(), id)
  local record = known and decode(known) or {}
  for field, value in pairs(changes) do
    record[field] = value
  end
  stage('HSET', key.history(), id, cjson.encode(record))
  stage('ZADD', key.historyOrder(), started_at, id)
  local surplus = redis.call('ZCARD', key.historyOrder()) + (known and 0 or 1) - keptMigrations
  if surplus > 0 then
    for _, oldest in ipairs(redis.call('ZRANGE', key.historyOrder(), 0, surplus - 1)) do
      stage('HDEL', key.history(), oldest)
      stage('ZREM', key.historyOrder(), oldest)
    end
  end
end
local function stage_migration_abort(room, participant)
  local migration = stage_migration_end(room, participant)
  if migration then stage_history(migration.id, migration.startedAt, { ['end'] = 'rolled_back', endedAt = now_ms() }) end
end`,
  nodes: `local sides = { active = '', candidate = ':candidate' }
local function oldest_beat() return now_ms() - nodeTimeoutMs end
local function index_load(side, beat, slot, taken, oldest)
  local state, capacity, cpu = string.match(slot or '', '^(%S+) (%S+) (%S+)$')
  capacity, cpu, taken = tonumber(capacity), tonumber(cpu), tonumber(taken or '0')
  local is_on_side = sides[state] == side
  if not is_on_side and side ~= sides.active then return false end
  if not is_on_side or not beat or tonumber(beat) < oldest or not capacity or not cpu or not taken then return unplaceableLoad end
  local load = math.max(taken / capacity, cpu)
  return taken < capacity and load < unplaceableLoad and load or unplaceableLoad
end
local function loads_of(side, ids)
  if #ids == 0 then return {} end
  local beats = redis.call('ZMSCORE', key.beats(), unpack(ids))
  local slots = redis.call('HMGET', key.slots(), unpack(ids))
  local reserved = redis.call('HMGET', key.reserved(), unpack(ids))
  local oldest, loads = oldest_beat(), {}
  for index in ipairs(ids) do
    loads[index] = index_load(side, beats[index], slots[index], reserved[index], oldest)
  end
  return loads
end
local function correct(side, id, load)
  if load then
    redis.call('ZADD', key.nodesByLoad(side), load, id)
  else
    redis.call('ZREM', key.nodesByLoad(side), id)
  end
end
local function mark_late_nodes()
  local late = redis.call('ZRANGE', key.beats(), '(' .. oldest_beat(), '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, maxExaminedNodes)
  if #late == 0 then return end
  for _, side in pairs(sides) do
    for index, load in ipairs(redis.call('ZMSCORE', key.nodesByLoad(side), unpack(late))) do
      if load and tonumber(load) < unplaceableLoad then correct(side, late[index], unplaceableLoad) end
    end
  end
end
local function repair_side(side, ids, from, last)
  local wrong, loads = 0, loads_of(side, ids)
  for index, known in ipairs(#ids > 0 and redis.call('ZMSCORE', key.nodesByLoad(side), unpack(ids)) or {}) do
    if (tonumber(known) or false) ~= loads[index] then
      correct(side, ids[index], loads[index])
      wrong = wrong + 1
    end
  end
  local indexed = redis.call('ZRANGE', key.nodesByLoad(side), from, last)
  for index, beat in ipairs(#indexed > 0 and redis.call('ZMSCORE', key.beats(), unpack(indexed)) or {}) do
    if not beat then
      correct(side, indexed[index], false)
      wrong = wrong + 1
    end
  end
  return wrong, #indexed
end
local function repair_index(from)
  local last = from + nodesPerRepair - 1
  local ids = redis.call('ZRANGE', key.beats(), from, last)
  local wrong, more = 0, #ids == nodesPerRepair
  for _, side in pairs(sides) do
    local wrong_here, indexed = repair_side(side, ids, from, last)
    wrong, more = wrong + wrong_here, more or indexed == nodesPerRepair
  end
  return wrong, more
end
local function complete_index()
  local nodes = redis.call('ZCARD', key.beats())
  if nodes == redis.call('ZCARD', key.nodesByLoad(sides.active)) then return end
  repair_index(nodes == 0 and 0 or math.max(0, now_ms() % nodes - nodesPerRepair / 2))
end`,
  openings: `local function opening_problem(user, issued_at, token)
  if is_revoked(user, issued_at) then return 'TOKEN_REVOKED' end
  if is_used(token) then return 'TOKEN_REPLAYED' end
  if redis.call('SCARD', key.userSessions(user)) >= maxSessionsPerUser then return 'TOO_MANY_SESSIONS' end
end`,
  pages: `local function is_unordered(room) return redis.call('ZCARD', key.joinOrder(room)) ~= redis.call('HLEN', key.members(room)) end
local function last_position(room) return tonumber(redis.call('ZRANGE', key.joinOrder(room), -1, -1, 'WITHSCORES')[2] or '0') end
local function page_entry(room, participant, record)
  local entry = { participant = participant, record = record, publications = {}, bytes = #record }
  local ids = redis.call('SMEMBERS', key.publicationsOf(room, participant))
  if #ids == 0 then return entry end
  for _, publication in ipairs(redis.call('HMGET', key.publications(room), unpack(ids))) do
    if publication then
      entry.publications[#entry.publications + 1] = publication
      entry.bytes = entry.bytes + #publication
    end
  end
  return entry
end
local function read_page(room, cursor, own, own_record, max_members, max_bytes)
  local mine = own_record and page_entry(room, own, own_record) or nil
  local bytes, free = mine and mine.bytes or 0, max_members - (mine and 1 or 0)
  local found = redis.call('ZRANGEBYSCORE', key.joinOrder(room), '(' .. cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, free + 2)
  local ids = {}
  for index = 1, #found, 2 do
    ids[#ids + 1] = found[index]
  end
  local records = #ids > 0 and redis.call('HMGET', key.members(room), unpack(ids)) or {}
  local entries, last, more = {}, cursor, #ids == free + 2
  for index, id in ipairs(ids) do
    if mine == nil or id ~= own then
      local entry = records[index] and page_entry(room, id, records[index])
      local is_first = #entries == 0 and not mine
      if entry and (#entries == free or (bytes + entry.bytes > max_bytes and not is_first)) then
        more = true
        break
      end
      if entry then
        entries[#entries + 1] = entry
        bytes = bytes + entry.bytes
      end
    end
    last = found[index * 2]
  end
  if mine then entries[#entries + 1] = mine end
  local members, publications, reconnecting = {}, {}, {}
  local some_reconnect = redis.call('SCARD', key.reconnecting(room)) > 0
  for index, entry in ipairs(entries) do
    members[index] = entry.record
    for _, publication in ipairs(entry.publications) do
      publications[#publications + 1] = publication
    end
    if some_reconnect and redis.call('SISMEMBER', key.reconnecting(room), entry.participant) == 1 then
      reconnecting[#reconnecting + 1] = entry.participant
    end
  end
  return { members = members, publications = publications, reconnecting = reconnecting, following = more and last or '' }
end`,
  placement: `local function chosen_place(count, options)
  local among = math.max(math.min(count, 2), math.ceil(count / 2))
  if among < 2 then return 0 end
  local first = math.floor(options.random1 * among)
  local second = math.floor(options.random2 * (among - 1))
  if second >= first then second = second + 1 end
  return math.min(first, second)
end
local function is_before(a, b)
  if a.load ~= b.load then return a.load < b.load end
  return a.id < b.id
end
local function choose_of(side, ids, limit, options)
  local free = {}
  for index, load in ipairs(loads_of(side, ids)) do
    if load and load < limit and not options.exclude[ids[index]] then free[#free + 1] = { id = ids[index], load = load } end
  end
  if #free == 0 then return nil end
  table.sort(free, is_before)
  return free[chosen_place(#free, options) + 1].id
end
local function hosts_of(room)
  local found, hosts = redis.call('HRANDFIELD', key.assignments(room), maxExaminedHosts, 'WITHVALUES'), {}
  for index = 1, #found, 2 do
    if (tonumber(found[index + 1]) or 0) > 0 then hosts[#hosts + 1] = found[index] end
  end
  return hosts
end
local function node_at(side, place, skipped)
  local rank = place
  for _ = 0, #skipped do
    local found = redis.call('ZRANGE', key.nodesByLoad(side), rank, rank, 'WITHSCORES')
    if not found[1] then return nil end
    local node, before = { id = found[1], load = tonumber(found[2]) }, 0
    for _, each in ipairs(skipped) do
      if not is_before(node, each) then before = before + 1 end
    end
    if place + before == rank then return node end
    rank = place + before
  end
end
local function choose_indexed(side, limit, skip, options)
  local skipped = {}
  for index, load in ipairs(#skip > 0 and redis.call('ZMSCORE', key.nodesByLoad(side), unpack(skip)) or {}) do
    if load and tonumber(load) < limit then skipped[#skipped + 1] = { id = skip[index], load = tonumber(load) } end
  end
  local fit
  for _ = 1, maxExaminedNodes do
    local count = redis.call('ZCOUNT', key.nodesByLoad(side), '-inf', '(' .. limit) - #skipped
    local node = count > 0 and node_at(side, chosen_place(count, options), skipped)
    if not node then return fit end
    local load = loads_of(side, { node.id })[1]
    local is_host = options.skips_hosts and (tonumber(redis.call('HGET', key.assignments(options.room), node.id)) or 0) > 0
    if load and load < limit and not is_host then fit = node.id end
    if load == node.load and not is_host then return fit end
    correct(side, node.id, load)
    if is_host and load and load < limit then skipped[#skipped + 1] = { id = node.id, load = load } end
  end
  return fit
end
local function choose_unindexed(side, options)
  local from = redis.call('ZCOUNT', key.nodesByLoad(side), '-inf', '(' .. unplaceableLoad)
  local others = redis.call('ZCARD', key.nodesByLoad(side)) - from
  from = from + math.floor(options.random1 * math.max(1, others - maxExaminedNodes + 1))
  return choose_of(side, redis.call('ZRANGE', key.nodesByLoad(side), from, from + maxExaminedNodes - 1), unplaceableLoad, options)
end
local function choose_host(side, hosts, options)
  return not options.spread and choose_of(side, hosts, preferredLoadLimit, options)
end
local function choose_any(side, hosts, options)
  local skip, node = {}, nil
  for id in pairs(options.exclude) do
    skip[#skip + 1] = id
  end
  if options.spread then
    local skip_hosts = { unpack(skip) }
    for _, id in ipairs(hosts) do
      if not options.exclude[id] then skip_hosts[#skip_hosts + 1] = id end
    end
    options.skips_hosts = true
    node = choose_indexed(side, preferredLoadLimit, skip_hosts, options)
    options.skips_hosts = false
  end
  return node or choose_indexed(side, unplaceableLoad, skip, options) or choose_unindexed(side, options)
end
local function choose_node(options)
  local drawn, other = sides.active, sides.candidate
  if options.draw < tonumber(redis.call('HGET', key.canary(), 'share') or '0') then
    drawn, other = other, drawn
  end
  if options.only then
    return choose_of(drawn, { options.only }, unplaceableLoad, options) or choose_of(other, { options.only }, unplaceableLoad, options)
  end
  local hosts = hosts_of(options.room)
  local node = choose_host(drawn, hosts, options)
  if node then return node end
  mark_late_nodes()
  complete_index()
  return choose_any(drawn, hosts, options) or choose_host(other, hosts, options) or choose_any(other, hosts, options)
end
local function set_of(json)
  local set = {}
  for _, id in ipairs(cjson.decode(json)) do
    set[id] = true
  end
  return set
end`,
  reservations: `local reservation_changes = {}
journals[#journals + 1] = reservation_changes
local function reserve(room, node, change)
  if node then reservation_changes[#reservation_changes + 1] = { room = room, node = node, change = change } end
end
local function stage_count(hash, field, change)
  local count = tonumber(redis.call('HGET', hash, field) or '0') + change
  if count > 0 then
    stage('HSET', hash, field, string.format('%d', count))
  else
    stage('HDEL', hash, field)
  end
  return count
end
local function stage_load(node, taken)
  local beat = redis.call('ZSCORE', key.beats(), node)
  if not beat then return end
  local slot = redis.call('HGET', key.slots(), node)
  for _, side in pairs(sides) do
    local load = index_load(side, beat, slot, taken, oldest_beat())
    if load then stage('ZADD', key.nodesByLoad(side), load, node) end
  end
end
local function stage_reservations()
  local rooms, totals = {}, {}
  for _, reservation in ipairs(reservation_changes) do
    local nodes = rooms[reservation.room] or {}
    rooms[reservation.room] = nodes
    nodes[reservation.node] = (nodes[reservation.node] or 0) + reservation.change
  end
  for room, nodes in pairs(rooms) do
    for node, change in pairs(nodes) do
      if change ~= 0 then
        stage_count(key.assignments(room), node, change)
        totals[node] = (totals[node] or 0) + change
      end
    end
  end
  for node, change in pairs(totals) do
    if change ~= 0 then stage_load(node, stage_count(key.reserved(), node, change)) end
  end
end`,
  retained: `local function stage_bar(room, participant)
  local user = redis.call('HGET', key.session(session_of(participant)), 'userId')
  local publishers = { [participant] = true }
  for _, field in ipairs(redis.call('HKEYS', key.retained(room))) do
    local publisher, whose = string.match(field, '^(%S+) %S+ ?(%S*)$')
    local is_earlier = user and whose == user and redis.call('HEXISTS', key.members(room), publisher) == 0
    if publisher and (publisher == participant or is_earlier) then
      publishers[publisher] = true
      stage('HDEL', key.retained(room), field)
    end
  end
  local before = now_ms() - retainedSeconds * 1000
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', key.barred(room), '-inf', before, 'LIMIT', 0, 100)) do
    stage('ZREM', key.barred(room), old)
  end
  for publisher in pairs(publishers) do
    stage('ZADD', key.barred(room), now_ms(), publisher)
  end
  stage('EXPIRE', key.barred(room), retainedSeconds)
end
local function stage_unbar(room, participant)
  if redis.call('ZSCORE', key.barred(room), participant) then stage('ZREM', key.barred(room), participant) end
end`,
  room: `local function append_event(room, event)
  append(key.events(room), maxStreamLength, event)
end
local function media_mode(settings, room)
  return settings.peerToPeer and redis.call('EXISTS', key.upgraded(room)) == 0 and 'peer' or 'sfu'
end
local function decode(json)
  local ok, value = pcall(cjson.decode, json)
  return ok and type(value) == 'table' and value or nil
end
local function participant_of(session) return 'pt_' .. string.sub(session, 4) end
local function session_of(participant) return 'ss_' .. string.sub(participant, 4) end
local function node_of_member(record) return string.match(record, '^(%S+) ') end
local function last_migration_of(record) return string.match(record, '^%S+ (%S+) ') end
local function grants_of_member(record) return string.match(record, '^%S+ %S+ (%S+) ') or '-' end
local function member_record(record, changes)
  local node, migration, grants, json = string.match(record, '^(%S+) (%S+) (%S+) (.*)$')
  return (changes.node or node) .. ' ' .. (changes.migration or migration) .. ' ' .. (changes.grants or grants) .. ' ' .. json
end
local function has_grant(grants, grant) return string.find(',' .. grants .. ',', ',' .. grant .. ',', 1, true) ~= nil end
local function room_grants(grants)
  local held = {}
  for _, grant in ipairs({ 'publish', 'subscribe', 'data' }) do
    if has_grant(grants, grant) then held[#held + 1] = grant end
  end
  if #held > 0 then held[#held + 1] = string.match(grants, 'bitrate=%d+') end
  return #held > 0 and table.concat(held, ',') or '-'
end
local function may_be_in(room, room_claim, grants)
  return (room_claim == '*' or room_claim == room) and room_grants(grants) ~= '-'
end
local function may_call_directly(grants) return has_grant(grants, 'publish') and has_grant(grants, 'subscribe') end
local function stage_sfu_mode(room)
  stage('SET', key.upgraded(room), '1')
  delete(key.pairs(room))
  append_event(room, '{"type":"media_mode","from":"system","payload":{"mediaMode":"sfu"}}')
end
local function node_of_publication(record) return string.match(record, '^(%S+) ') end
local function json_of_publication(record) return string.match(record, '^%S+ (.*)$') end
local function split(list)
  local words = {}
  for word in string.gmatch(list, '[^,]+') do
    words[#words + 1] = word
  end
  return words
end
local function json_list(ids) return #ids > 0 and cjson.encode(ids) or '[]' end
local function append_moved(room, participant, node, trace, migration)
  append_event(room, '{"type":"participant_moved","from":"system","payload":{"participantId":"' .. participant .. '","nodeId":"' .. node .. '"'
    .. (migration and ',"migrationId":"' .. migration .. '"' or '') .. '}' .. trace .. '}')
end
local function stage_unpublish(room, participant, publication, reason)
  stage('HDEL', key.publications(room), publication)
  stage('SREM', key.publicationsOf(room, participant), publication)
  append_event(room, '{"type":"publication_removed","from":"' .. participant .. '","payload":{"publicationId":"' .. publication
    .. '","participantId":"' .. participant .. '"' .. ((reason or '') ~= '' and ',"reason":"' .. reason .. '"' or '') .. '}}')
end`,
  sessions: `local function stage_connection(session, connection)
  local participant = participant_of(session)
  for _, room in ipairs(redis.call('SMEMBERS', key.sessionRooms(session))) do
    local reconnecting = redis.call('SISMEMBER', key.reconnecting(room), participant) == 1
    if reconnecting ~= (connection == 'reconnecting') then
      stage(reconnecting and 'SREM' or 'SADD', key.reconnecting(room), participant)
      append_event(room, '{"type":"participant_connection","from":"system","payload":{"participantId":"' .. participant
        .. '","connection":"' .. connection .. '"}}')
    end
  end
end`,
  terms: `local function is_stale(term)
  return term ~= '' and tonumber(term) < tonumber(redis.call('HGET', key.leaseTerms(), plannerLease) or '0')
end`,
  time: `local time_of_run
local function now_ms()
  if not time_of_run then
    local time = redis.call('TIME')
    time_of_run = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return time_of_run
end`,
  tokens: `local function stage_use(token, seconds)
  stage('SET', key.usedToken(token), '1')
  stage('EXPIRE', key.usedToken(token), seconds)
end`,
  transaction: `local staged, appended, deleted = {}, {}, {}
local journals = { staged, appended, deleted }
local attempting = false
local restoring = {}
local function stage(...)
  local command = { ... }
  if attempting then restoring[command[1]](unpack(command, 2)) end
  staged[#staged + 1] = command
end
local function attempt(work)
  local lengths = {}
  for index, journal in ipairs(journals) do
    lengths[index] = #journal
  end
  attempting = true
  local ok, result = pcall(work)
  attempting = false
  if ok then return true, result end
  local message = type(result) == 'table' and result.err or tostring(result)
  if not string.find(message, '^WRONGTYPE') and not string.find(message, '^user_script') then error(result, 0) end
  for index, journal in ipairs(journals) do
    for position = #journal, lengths[index] + 1, -1 do
      journal[position] = nil
    end
  end
  return false
end
local function append(stream, kept, data, options)
  if attempting then redis.call('XLEN', stream) end
  local entry = options or {}
  entry.stream, entry.kept, entry.data = stream, kept, data
  appended[#appended + 1] = entry
end
local function delete(key_name)
  deleted[#deleted + 1] = key_name
end
local function last_offset(stream)
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return newest[1] and newest[1][1] or '0-0'
end
function restoring.HSET(hash, field)
  local old = redis.call('HGET', hash, field)
  return old and { 'HSET', hash, field, old } or { 'HDEL', hash, field }
end
function restoring.HDEL(hash, ...)
  local fields, restore = { ... }, { 'HSET', hash }
  for index, old in ipairs(redis.call('HMGET', hash, ...)) do
    if old then
      restore[#restore + 1] = fields[index]
      restore[#restore + 1] = old
    end
  end
  return #restore > 2 and restore or nil
end
function restoring.SADD(set, member)
  return redis.call('SISMEMBER', set, member) == 0 and { 'SREM', set, member } or nil
end
function restoring.SREM(set, member)
  return redis.call('SISMEMBER', set, member) == 1 and { 'SADD', set, member } or nil
end
function restoring.ZADD(set, _, member)
  local old = redis.call('ZSCORE', set, member)
  return old and { 'ZADD', set, old, member } or { 'ZREM', set, member }
end
function restoring.ZREM(set, member)
  local old = redis.call('ZSCORE', set, member)
  return old and { 'ZADD', set, old, member } or nil
end
function restoring.SET(name)
  local old = redis.call('GET', name)
  return old and { 'SET', name, old } or { 'DEL', name }
end
function restoring.EXPIRE(name)
  local ttl = redis.call('PTTL', name)
  if ttl == -2 then return nil end
  return ttl == -1 and { 'PERSIST', name } or { 'PEXPIRE', name, ttl }
end
restoring.PERSIST = restoring.EXPIRE
local function commit()
  local restores = {}
  local ok, failure = pcall(function()
    for _, command in ipairs(staged) do
      local restore = restoring[command[1]](unpack(command, 2))
      redis.call(unpack(command))
      restores[#restores + 1] = restore
    end
    for _, entry in ipairs(appended) do
      local existed = redis.call('EXISTS', entry.stream) == 1
      entry.previous = last_offset(entry.stream)
      entry.offset = redis.call('XADD', entry.stream, 'MAXLEN', entry.exact and '=' or '~', entry.exact and entry.kept or math.min(entry.kept, math.ceil(maxStreamBytes / #entry.data)), entry.id or '*', dataField, entry.data)
      restores[#restores + 1] = existed and { 'XDEL', entry.stream, entry.offset } or { 'DEL', entry.stream }
      if entry.ttl then
        local restore = restoring.EXPIRE(entry.stream)
        redis.call('EXPIRE', entry.stream, entry.ttl)
        restores[#restores + 1] = restore
      end
    end
    if #deleted > 0 then redis.call('DEL', unpack(deleted)) end
  end)
  if not ok then
    for index = #restores, 1, -1 do
      redis.pcall(unpack(restores[index]))
    end
    error(failure, 0)
  end
  for _, entry in ipairs(appended) do
    redis.pcall('PUBLISH', entry.stream, entry.offset .. ' ' .. entry.previous .. ' ' .. entry.data)
  end
end`,
} as const;

export const scripts = {
  acquireLease: {
    args: ["name","holder","ms"],
    result: z.number().nullable(),
    lua: `${include.transaction}
if redis.call('EXISTS', key.lease(name)) == 1 then return nil end
local term = tonumber(redis.call('HGET', key.leaseTerms(), name) or '0') + 1
stage('SET', key.lease(name), holder, 'PX', ms)
stage('HSET', key.leaseTerms(), name, string.format('%d', term))
commit()
return term`,
  },
  announceExperiment: {
    args: ["name","record","ms"],
    result: z.number(),
    lua: `${include.time}
${include.transaction}
local now = now_ms()
local known, others = redis.call('HGETALL', key.experiments()), 0
local ends_at = now + tonumber(ms)
local last = ends_at
for index = 1, #known, 2 do
  local until_ms = tonumber(string.match(known[index + 1], '^(%d+) '))
  if not until_ms or until_ms <= now then
    stage('HDEL', key.experiments(), known[index])
  elseif known[index] ~= name then
    others = others + 1
    last = math.max(last, until_ms)
  end
end
if others >= maxExperiments then return 0 end
stage('HSET', key.experiments(), name, string.format('%d ', ends_at) .. record)
stage('EXPIRE', key.experiments(), math.ceil((last - now) / 1000))
commit()
return 1`,
  },
  beginMigration: {
    args: ["roomId","participantId","migration","migrationId","startedAt","deadline","fromNode","toNode","random1","random2","draw","term"],
    result: z.union([z.enum(['NOT_IN_ROOM', 'MIGRATION_RUNNING', 'MIGRATION_NOT_ACTIVE', 'MEDIA_NOT_OPEN', 'NO_CAPACITY', 'STALE_TERM']), z.tuple([z.string(), z.string()])]),
    lua: `${include.time}
${include.nodes}
${include.placement}
${include.transaction}
${include.room}
${include.reservations}
${include.migrations}
${include.terms}
if is_stale(term) then return 'STALE_TERM' end
local record = redis.call('HGET', key.members(roomId), participantId)
if not record then return 'NOT_IN_ROOM' end
if redis.call('HEXISTS', key.migrations(roomId), participantId) == 1 then return 'MIGRATION_RUNNING' end
local from = node_of_member(record)
if fromNode ~= '' and fromNode ~= from then return 'MIGRATION_NOT_ACTIVE' end
local media = redis.call('HGET', key.mediaRequests(roomId), participantId)
if not media then return 'MEDIA_NOT_OPEN' end
local settings = redis.call('GET', key.room(roomId))
local to = choose_node({
  room = roomId, spread = settings and cjson.decode(settings).spread, exclude = { [from] = true },
  only = toNode ~= '' and toNode or nil, random1 = tonumber(random1), random2 = tonumber(random2), draw = tonumber(draw),
})
if not to then return 'NO_CAPACITY' end
local started = string.sub(migration, 1, -2) .. ',"fromNode":"' .. from .. '","toNode":"' .. to .. '","step":"reserved"}'
reserve(roomId, to, 1)
stage('HSET', key.migrations(roomId), participantId, started)
stage('ZADD', key.running(), deadline, roomId .. '/' .. participantId)
stage_history(migrationId, startedAt, cjson.decode(started))
stage_reservations()
commit()
return { started, media }`,
  },
  closeSession: {
    args: ["sessionId","reason","resumeHash","expiredOnly","revokedEvent","trace"],
    result: z.array(z.string()).nullable(),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
${include.retained}
${include.leave}
if expiredOnly ~= '' then
  local window_ends = redis.call('ZSCORE', key.detached(), sessionId)
  if not window_ends or tonumber(window_ends) > now_ms() then return nil end
end
local hash = redis.call('HGET', key.session(sessionId), 'resumeHash')
if hash and resumeHash ~= '' and hash ~= resumeHash then return {} end
local left = {}
for _, room in ipairs(redis.call('SMEMBERS', key.sessionRooms(sessionId))) do
  local _, staged = attempt(function() return stage_leave(room, participant_of(sessionId), reason, trace) end)
  if staged then left[#left + 1] = room end
end
local user = redis.call('HGET', key.session(sessionId), 'userId')
if user then stage('SREM', key.userSessions(user), sessionId) end
if hash then delete(key.resume(hash)) end
local gateway = redis.call('HGET', key.session(sessionId), 'gatewayId')
if gateway then
  stage('SREM', key.gatewaySessions(gateway), sessionId)
  if revokedEvent ~= '' then append(key.gatewayStream(gateway), maxStreamLength, revokedEvent, { ttl = idleStreamSeconds }) end
end
stage('ZREM', key.detached(), sessionId)
stage('ZREM', key.issued(), sessionId)
delete(key.session(sessionId))
delete(key.sessionRooms(sessionId))
stage_reservations()
commit()
return left`,
  },
  commitMigration: {
    args: ["roomId","participantId","migrationId","endedAt","trace"],
    result: z.union([z.enum(['repeated', 'MIGRATION_NOT_ACTIVE']), z.tuple([z.string()])]),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
local member = redis.call('HGET', key.members(roomId), participantId)
if member and last_migration_of(member) == migrationId then return 'repeated' end
local record = redis.call('HGET', key.migrations(roomId), participantId)
if not member or not record then return 'MIGRATION_NOT_ACTIVE' end
local migration = cjson.decode(record)
if migration.id ~= migrationId or migration.step ~= 'prepared' then return 'MIGRATION_NOT_ACTIVE' end
reserve(roomId, node_of_member(member), -1)
stage('HSET', key.members(roomId), participantId, member_record(member, { node = migration.toNode, migration = migrationId }))
stage('HDEL', key.migrations(roomId), participantId)
stage('ZREM', key.running(), roomId .. '/' .. participantId)
delete(key.previous(roomId, participantId))
append_moved(roomId, participantId, migration.toNode, trace, migrationId)
for _, id in ipairs(redis.call('SMEMBERS', key.publicationsOf(roomId, participantId))) do
  local publication = redis.call('HGET', key.publications(roomId), id)
  if publication and node_of_publication(publication) ~= migration.toNode then stage_unpublish(roomId, participantId, id) end
end
stage_history(migrationId, migration.startedAt, { ['end'] = 'committed', endedAt = tonumber(endedAt) })
stage_reservations()
commit()
return { record }`,
  },
  confirmResume: {
    args: ["sessionId","usedHash","nextHash"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.transaction}
if redis.call('HGET', key.session(sessionId), 'resumeHash') ~= nextHash then return 0 end
delete(key.resume(usedHash))
commit()
return 1`,
  },
  createRoom: {
    args: ["roomId","room","listKey","emptyTimeoutMs"],
    result: z.tuple([z.enum(['created', 'known', 'deleting']), z.string()]),
    lua: `${include.time}
${include.transaction}
local known = redis.call('GET', key.room(roomId))
if known then return { 'known', known } end
if redis.call('EXISTS', key.members(roomId)) == 1 then return { 'deleting', '' } end
stage('SET', key.room(roomId), room)
stage('ZADD', key.rooms(), 0, listKey)
stage('PERSIST', key.events(roomId))
if tonumber(emptyTimeoutMs) > 0 then
  stage('ZADD', key.emptyRooms(), now_ms() + emptyTimeoutMs, roomId)
else
  stage('ZREM', key.emptyRooms(), roomId)
end
commit()
return { 'created', '' }`,
  },
  deadGateways: {
    args: ["timeoutMs"],
    result: z.array(z.string()),
    lua: `${include.time}
return redis.call('ZRANGEBYSCORE', key.gateways(), '-inf', now_ms() - timeoutMs)`,
  },
  deleteRoom: {
    args: ["roomId","event","deletedSeconds","limit","expiredOnly"],
    result: z.tuple([z.union([z.literal(0), z.literal(1)]), z.number()]).nullable(),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
if expiredOnly ~= '' then
  local due = redis.call('ZSCORE', key.emptyRooms(), roomId)
  if not due or tonumber(due) > now_ms() then return nil end
end
local room = redis.call('GET', key.room(roomId))
local total = redis.call('HLEN', key.members(roomId))
if not room and total == 0 then
  stage('ZREM', key.emptyRooms(), roomId)
  commit()
  return { 0, 0 }
end
if room then
  local created = (decode(room) or {}).createdAt
  if created then stage('ZREM', key.rooms(), string.format('%015d', created) .. ':' .. roomId) end
  stage('ZADD', key.emptyRooms(), 0, roomId)
  append(key.events(roomId), maxStreamLength, event, { ttl = deletedSeconds })
  delete(key.room(roomId))
end
local members = redis.call('HGETALL', key.members(roomId))
local last = math.min(#members, 2 * tonumber(limit))
for index = 1, last, 2 do
  local participant, record = members[index], members[index + 1]
  reserve(roomId, node_of_member(record), -1)
  attempt(function() stage_migration_abort(roomId, participant) end)
  attempt(function() stage('SREM', key.sessionRooms(session_of(participant)), roomId) end)
  stage('HDEL', key.members(roomId), participant)
  delete(key.publicationsOf(roomId, participant))
end
stage_reservations()
if last == #members then
  for _, part in ipairs({ 'members', 'joinOrder', 'publications', 'upgraded', 'pairs', 'migrations', 'retained', 'barred', 'roomRelay', 'mediaRequests', 'linkedRelays', 'reconnecting', 'metadata', 'assignments', 'bans' }) do
    delete(key[part](roomId))
  end
  stage('ZREM', key.emptyRooms(), roomId)
end
commit()
return { room and 1 or 0, (#members - last) / 2 }`,
  },
  describeMedia: {
    args: ["roomId","participantId","mediaRequest"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.transaction}
if redis.call('HEXISTS', key.members(roomId), participantId) == 0 then return 0 end
stage('HSET', key.mediaRequests(roomId), participantId, mediaRequest)
commit()
return 1`,
  },
  detachOrphaned: {
    args: ["gatewayId","timeoutMs","windowMs","limit"],
    result: z.tuple([z.number(), z.union([z.literal(0), z.literal(1)])]),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.sessions}
local now = now_ms()
local seen_at = redis.call('ZSCORE', key.gateways(), gatewayId)
if not seen_at or tonumber(seen_at) > now - timeoutMs then return { 0, 0 } end
local ids = redis.call('SRANDMEMBER', key.gatewaySessions(gatewayId), limit)
for _, id in ipairs(ids) do
  stage('SREM', key.gatewaySessions(gatewayId), id)
  if not redis.call('ZSCORE', key.detached(), id) then stage('ZADD', key.detached(), now + windowMs, id) end
  attempt(function() stage_connection(id, 'reconnecting') end)
end
local more = redis.call('SCARD', key.gatewaySessions(gatewayId)) > #ids
if not more then stage('ZREM', key.gateways(), gatewayId) end
commit()
return { #ids, more and 1 or 0 }`,
  },
  detachSession: {
    args: ["sessionId","resumeHash","windowMs"],
    result: z.null(),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.sessions}
if redis.call('HGET', key.session(sessionId), 'resumeHash') ~= resumeHash then return end
local gateway = redis.call('HGET', key.session(sessionId), 'gatewayId')
stage('SREM', key.gatewaySessions(gateway), sessionId)
stage('ZADD', key.detached(), now_ms() + windowMs, sessionId)
stage_connection(sessionId, 'reconnecting')
commit()`,
  },
  dropMigration: {
    args: ["roomId","participantId"],
    result: z.null(),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
local record = redis.call('HGET', key.migrations(roomId), participantId)
if record and decode(record) then return end
stage_migration_end(roomId, participantId)
stage('ZREM', key.running(), roomId .. '/' .. participantId)
stage_reservations()
commit()`,
  },
  dueSessions: {
    args: ["limit"],
    result: z.array(z.string()),
    lua: `${include.time}
return redis.call('ZRANGEBYSCORE', key.detached(), '-inf', now_ms(), 'LIMIT', 0, limit)`,
  },
  expiredRooms: {
    args: ["limit"],
    result: z.array(z.string()),
    lua: `${include.time}
return redis.call('ZRANGEBYSCORE', key.emptyRooms(), '-inf', now_ms(), 'LIMIT', 0, limit)`,
  },
  gatewayAlive: {
    args: ["gatewayId"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.time}
${include.transaction}
local known = redis.call('ZSCORE', key.gateways(), gatewayId)
stage('ZADD', key.gateways(), now_ms(), gatewayId)
commit()
return known and 1 or 0`,
  },
  isOpenable: {
    args: ["userId","tokenId","issuedAt"],
    result: z.enum(['openable', 'TOKEN_REVOKED', 'TOKEN_REPLAYED', 'TOO_MANY_SESSIONS']),
    lua: `${include.acceptance}
${include.openings}
return opening_problem(userId, issuedAt, tokenId) or 'openable'`,
  },
  isResumable: {
    args: ["resumeHash"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.time}
local id = redis.call('GET', key.resume(resumeHash))
if not id or redis.call('EXISTS', key.session(id)) == 0 then return 0 end
local window_ends = redis.call('ZSCORE', key.detached(), id)
return (window_ends and tonumber(window_ends) <= now_ms()) and 0 or 1`,
  },
  join: {
    args: ["roomId","participantId","sessionId","resumeHash","userId","grants","member","mediaRequest","joinedEvent","excludeNodes","random1","random2","draw","maxRooms","maxMembers","maxBytes","anyOrder"],
    result: z.union([z.enum(['ROOM_NOT_FOUND', 'SESSION_EXPIRED', 'FORBIDDEN', 'BANNED', 'ROOM_FULL', 'TOO_MANY_ROOMS', 'NO_CAPACITY', 'UNORDERED']), z.tuple([z.string()]), z.tuple([z.string(), z.string(), z.array(z.string()), z.array(z.string()), z.array(z.string()), z.string(), z.string(), z.enum(['peer', 'sfu'])])]),
    lua: `${include.time}
${include.nodes}
${include.placement}
${include.transaction}
${include.room}
${include.pages}
${include.reservations}
${include.retained}
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
return { room, record, page.members, page.publications, page.reconnecting, page.following, offset, mode }`,
  },
  leave: {
    args: ["roomId","participantId","reason","trace","banUser","banSeconds"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
${include.retained}
${include.leave}
if not stage_leave(roomId, participantId, reason, trace) then return 0 end
if tonumber(banSeconds) > 0 then
  for _, session in ipairs(redis.call('SMEMBERS', key.userSessions(banUser))) do
    local other = participant_of(session)
    if other ~= participantId then attempt(function() stage_leave(roomId, other, reason, trace) end) end
  end
  local bans = key.bans(roomId)
  local ends = now_ms() + banSeconds * 1000
  local surplus = redis.call('ZRANGEBYSCORE', bans, '-inf', now_ms(), 'LIMIT', 0, 100)
  if redis.call('ZCARD', bans) - #surplus >= maxBans then surplus[#surplus + 1] = redis.call('ZRANGE', bans, #surplus, #surplus)[1] end
  for _, user in ipairs(surplus) do
    stage('ZREM', bans, user)
  end
  stage('ZADD', bans, ends, banUser)
  stage('EXPIRE', bans, math.max(redis.call('TTL', bans), tonumber(banSeconds)))
end
stage_reservations()
commit()
return 1`,
  },
  linkRelay: {
    args: ["roomId","participantId","relayId"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.transaction}
if redis.call('HEXISTS', key.members(roomId), participantId) == 0 then return 0 end
stage('HSET', key.linkedRelays(roomId), participantId, relayId)
commit()
return 1`,
  },
  listBans: {
    args: ["roomId","from","skip","limit"],
    result: z.array(z.string()),
    lua: `${include.time}
local start = math.max(tonumber(from), now_ms() + 1)
return redis.call('ZRANGEBYSCORE', key.bans(roomId), string.format('%d', start), '+inf', 'WITHSCORES', 'LIMIT', skip, limit)`,
  },
  listBreakers: {
    args: [],
    result: z.array(z.string()),
    lua: `${include.time}
local now, found = now_ms(), {}
for _, record in ipairs(redis.call('HVALS', key.breakers())) do
  local shown_until, report = string.match(record, '^(%d+) (.*)$')
  if shown_until and tonumber(shown_until) >= now then found[#found + 1] = report end
end
return found`,
  },
  listExperiments: {
    args: [],
    result: z.array(z.string()),
    lua: `${include.time}
local now, found = now_ms(), {}
for _, record in ipairs(redis.call('HVALS', key.experiments())) do
  local until_ms, experiment = string.match(record, '^(%d+) (.*)$')
  if until_ms and tonumber(until_ms) > now then found[#found + 1] = experiment end
end
return found`,
  },
  listNodes: {
    args: [],
    result: z.tuple([z.array(z.string()), z.array(z.string()), z.array(z.string()), z.string()]),
    lua: `${include.time}
return {
  redis.call('HVALS', key.nodes()),
  redis.call('ZRANGE', key.beats(), 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', key.reserved()),
  tostring(now_ms()),
}`,
  },
  listRelays: {
    args: [],
    result: z.tuple([z.array(z.string()), z.array(z.string()), z.string()]),
    lua: `${include.time}
return { redis.call('HVALS', key.relays()), redis.call('ZRANGE', key.relayBeats(), 0, -1, 'WITHSCORES'), tostring(now_ms()) }`,
  },
  lockSnapshot: {
    args: ["name","holder","ms"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `if redis.call('EXISTS', key.snapshotLock(name)) == 1 then return 0 end
redis.call('SET', key.snapshotLock(name), holder, 'PX', ms)
return 1`,
  },
  messagesToUser: {
    args: ["userId"],
    result: z.tuple([z.array(z.tuple([z.string(), z.array(z.string())])), z.union([z.literal(0), z.literal(1)])]),
    lua: `local inbox = key.inbox(userId)
if redis.call('EXISTS', inbox) == 0 then return { {}, 0 } end
local info, fields = redis.call('XINFO', 'STREAM', inbox), {}
for index = 1, #info, 2 do
  fields[info[index]] = info[index + 1]
end
return { redis.call('XRANGE', inbox, '-', '+'), fields['entries-added'] > fields['length'] and 1 or 0 }`,
  },
  openSession: {
    args: ["sessionId","resumeHash","userId","gatewayId","tokenId","tokenSeconds","issuedAt","...fields"],
    result: z.union([z.enum(['TOKEN_REVOKED', 'TOKEN_REPLAYED', 'TOO_MANY_SESSIONS']), z.tuple([z.string()])]),
    lua: `${include.transaction}
${include.acceptance}
${include.tokens}
${include.openings}
local problem = opening_problem(userId, issuedAt, tokenId)
if problem then return problem end
local offset = last_offset(key.inbox(userId))
if tokenId ~= '' then stage_use(tokenId, tokenSeconds) end
local record = { 'resumeHash', resumeHash, 'userId', userId, 'gatewayId', gatewayId, unpack(fields) }
for index = 1, #record, 2 do
  stage('HSET', key.session(sessionId), record[index], record[index + 1])
end
stage('SET', key.resume(resumeHash), sessionId)
stage('SADD', key.gatewaySessions(gatewayId), sessionId)
stage('SADD', key.userSessions(userId), sessionId)
stage('ZADD', key.issued(), issuedAt, sessionId)
commit()
return { offset }`,
  },
  orderCanary: {
    args: ["order"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.transaction}
if redis.call('HEXISTS', key.canary(), 'stable') == 0 then return 0 end
stage('HSET', key.canary(), 'order', order)
commit()
return 1`,
  },
  orderMembers: {
    args: ["roomId","cursor","position"],
    result: z.tuple([z.string(), z.string()]),
    lua: `${include.transaction}
${include.room}
${include.pages}
local next_cursor, next_position = '-', '-'
if cursor ~= '-' then
  local page = redis.call('HSCAN', key.members(roomId), cursor, 'COUNT', 100)
  local last = last_position(roomId)
  for index = 1, #page[2], 2 do
    if not redis.call('ZSCORE', key.joinOrder(roomId), page[2][index]) then
      last = last + 1
      stage('ZADD', key.joinOrder(roomId), last, page[2][index])
    end
  end
  if page[1] ~= '0' then next_cursor = page[1] end
end
if position ~= '-' then
  local found = redis.call('ZRANGEBYSCORE', key.joinOrder(roomId), '(' .. position, '+inf', 'WITHSCORES', 'LIMIT', 0, 100)
  for index = 1, #found, 2 do
    if redis.call('HEXISTS', key.members(roomId), found[index]) == 0 then stage('ZREM', key.joinOrder(roomId), found[index]) end
  end
  if #found == 200 then next_position = found[200] end
end
commit()
return { next_cursor, next_position }`,
  },
  prepareMigration: {
    args: ["roomId","participantId","migrationId","event"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
local record = redis.call('HGET', key.migrations(roomId), participantId)
if not record then return 0 end
local migration = cjson.decode(record)
if migration.id ~= migrationId then return 0 end
migration.step = 'prepared'
stage('HSET', key.migrations(roomId), participantId, cjson.encode(migration))
stage_history(migrationId, migration.startedAt, { step = 'prepared' })
append_event(roomId, event)
commit()
return 1`,
  },
  putPair: {
    args: ["roomId","pair","one","other","expectedVersion","update","event"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.transaction}
${include.room}
local room = redis.call('GET', key.room(roomId))
if not room or media_mode(cjson.decode(room), roomId) ~= 'peer' then return 0 end
if redis.call('HEXISTS', key.members(roomId), one) == 0 or redis.call('HEXISTS', key.members(roomId), other) == 0 then return 0 end
local version = string.match(redis.call('HGET', key.pairs(roomId), pair) or '0 ', '^(%d+) ')
if version ~= expectedVersion then return 0 end
if update ~= '' then stage('HSET', key.pairs(roomId), pair, string.format('%d', version + 1) .. ' ' .. update) end
append_event(roomId, event)
commit()
return 1`,
  },
  putPublication: {
    args: ["roomId","participantId","publicationId","nodeId","publication","addedEvent","updatedEvent","maxPublications","previousSeconds"],
    result: z.enum(['put', 'NOT_IN_ROOM', 'FORBIDDEN', 'PUBLICATION_NOT_FOUND', 'RATE_LIMITED', 'MIGRATION_RUNNING']),
    lua: `${include.transaction}
${include.room}
local member = redis.call('HGET', key.members(roomId), participantId)
if not member then return 'NOT_IN_ROOM' end
if not has_grant(grants_of_member(member), 'publish') then return 'FORBIDDEN' end
local known = redis.call('HGET', key.publications(roomId), publicationId)
local own = redis.call('SISMEMBER', key.publicationsOf(roomId, participantId), publicationId) == 1
if known and not own then return 'PUBLICATION_NOT_FOUND' end
if not known and redis.call('SCARD', key.publicationsOf(roomId, participantId)) >= tonumber(maxPublications) then return 'RATE_LIMITED' end
local migration = redis.call('HGET', key.migrations(roomId), participantId)
local target = migration and (decode(migration) or {}).toNode
local known_node = known and node_of_publication(known)
if node_of_member(member) ~= nodeId then
  if target ~= nodeId then return 'NOT_IN_ROOM' end
  if known and known_node ~= nodeId and redis.call('HEXISTS', key.previous(roomId, participantId), publicationId) == 0 then
    stage('HSET', key.previous(roomId, participantId), publicationId, known)
    stage('EXPIRE', key.previous(roomId, participantId), previousSeconds)
  end
elseif known and known_node ~= nodeId and known_node == target then
  return 'MIGRATION_RUNNING'
end
stage('HSET', key.publications(roomId), publicationId, nodeId .. ' ' .. publication)
stage('SADD', key.publicationsOf(roomId, participantId), publicationId)
append_event(roomId, known and updatedEvent or addedEvent)
commit()
return 'put'`,
  },
  readSnapshot: {
    args: ["name","known"],
    result: z.tuple([z.string(), z.string(), z.string()]).nullable(),
    lua: `${include.time}
local version, began = unpack(redis.call('HMGET', key.snapshot(name), 'version', 'began'))
if not version or version == known then return nil end
return { version, string.format('%d', now_ms() - tonumber(began)), redis.call('HGET', key.snapshot(name), 'text') }`,
  },
  reassign: {
    args: ["roomId","participantId","excludeNodes","fromNode","toNode","random1","random2","draw","migration","migrationId","startedAt","lostAfterMs","term","trace"],
    result: z.union([z.enum(['NOT_IN_ROOM', 'NO_CAPACITY', 'NODE_ALIVE', 'NOT_ON_NODE', 'STALE_TERM']), z.tuple([z.string(), z.string()])]),
    lua: `${include.time}
${include.nodes}
${include.placement}
${include.transaction}
${include.room}
${include.reservations}
${include.migrations}
${include.terms}
if is_stale(term) then return 'STALE_TERM' end
local record = redis.call('HGET', key.members(roomId), participantId)
if not record then return 'NOT_IN_ROOM' end
local from = node_of_member(record)
if fromNode ~= '' and fromNode ~= from then return 'NOT_ON_NODE' end
local exclude, is_lost = set_of(excludeNodes), false
if migration ~= '' then
  local newest = redis.call('ZRANGE', key.beats(), -1, -1, 'WITHSCORES')[2]
  local own = redis.call('ZSCORE', key.beats(), from)
  if own and newest - own < tonumber(lostAfterMs) then return 'NODE_ALIVE' end
  exclude[from] = true
  local stale = now_ms() - nodeTimeoutMs - 1
  is_lost = own and tonumber(own) > stale
  if is_lost then stage('ZADD', key.beats(), stale, from) end
end
local settings = redis.call('GET', key.room(roomId))
local options = {
  room = roomId, spread = settings and cjson.decode(settings).spread, exclude = exclude,
  random1 = tonumber(random1), random2 = tonumber(random2), draw = tonumber(draw),
}
local node
if toNode ~= '' then
  options.only = toNode
  node = choose_node(options)
  options.only = nil
end
node = node or choose_node(options)
if not node then return 'NO_CAPACITY' end
stage_migration_abort(roomId, participantId)
reserve(roomId, from, -1)
reserve(roomId, node, 1)
local moved = member_record(record, { node = node })
stage('HSET', key.members(roomId), participantId, moved)
append_moved(roomId, participantId, node, trace)
if migration ~= '' then
  local changes = cjson.decode(migration)
  changes.fromNode, changes.toNode = from, node
  stage_history(migrationId, startedAt, changes)
  append_event(roomId, '{"type":"media_lost","from":"system","payload":{"participantIds":["' .. participantId .. '"],"reason":"node_lost"}' .. trace .. '}')
end
stage_reservations()
for _, side in pairs(sides) do
  if is_lost and redis.call('ZSCORE', key.nodesByLoad(side), from) then stage('ZADD', key.nodesByLoad(side), unplaceableLoad, from) end
end
commit()
return { moved, from }`,
  },
  reattachSessions: {
    args: ["gatewayId","...sessionIds"],
    result: z.null(),
    lua: `${include.transaction}
${include.room}
${include.sessions}
for _, id in ipairs(sessionIds) do
  attempt(function()
    if redis.call('HGET', key.session(id), 'gatewayId') ~= gatewayId then return end
    stage('ZREM', key.detached(), id)
    stage('SADD', key.gatewaySessions(gatewayId), id)
    stage_connection(id, 'connected')
  end)
end
commit()`,
  },
  recordScaling: {
    args: ["at","record"],
    result: z.null(),
    lua: `${include.transaction}
local known = redis.call('ZRANGE', key.scalings(), 0, -1)
stage('ZADD', key.scalings(), at, record)
for index = 1, #known + 1 - keptScalings do
  stage('ZREM', key.scalings(), known[index])
end
commit()`,
  },
  refreshSession: {
    args: ["sessionId","resumeHash","tokenId","tokenSeconds","issuedAt","room","grants","trace","...claims"],
    result: z.enum(['refreshed', 'SESSION_EXPIRED', 'TOKEN_REPLAYED', 'TOKEN_REVOKED']),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
${include.retained}
${include.leave}
${include.grants}
${include.acceptance}
${include.tokens}
local session = key.session(sessionId)
if redis.call('HGET', session, 'resumeHash') ~= resumeHash then return 'SESSION_EXPIRED' end
if redis.call('HGET', session, 'tokenId') == tokenId then return 'refreshed' end
if is_revoked(redis.call('HGET', session, 'userId') or '', issuedAt) then return 'TOKEN_REVOKED' end
if is_used(tokenId) then return 'TOKEN_REPLAYED' end
stage_use(tokenId, tokenSeconds)
stage('HSET', session, 'tokenId', tokenId)
stage('ZADD', key.issued(), issuedAt, sessionId)
for index = 1, #claims, 2 do
  stage('HSET', session, claims[index], claims[index + 1])
end
stage_grants(sessionId, room, grants, trace)
stage_reservations()
commit()
return 'refreshed'`,
  },
  releaseLease: {
    args: ["name","holder"],
    result: z.null(),
    lua: `if redis.call('GET', key.lease(name)) == holder then redis.call('DEL', key.lease(name)) end`,
  },
  removeCanary: {
    args: ["term"],
    result: z.null(),
    lua: `${include.transaction}
${include.terms}
if is_stale(term) then return end
delete(key.canary())
commit()`,
  },
  removeNode: {
    args: ["nodeId"],
    result: z.null(),
    lua: `${include.transaction}
${include.time}
${include.nodes}
stage('HDEL', key.nodes(), nodeId)
stage('ZREM', key.beats(), nodeId)
for _, side in pairs(sides) do
  stage('ZREM', key.nodesByLoad(side), nodeId)
end
stage('HDEL', key.slots(), nodeId)
stage('HDEL', key.peerScores(), nodeId)
commit()`,
  },
  removePublication: {
    args: ["roomId","participantId","publicationId","reason"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.transaction}
${include.room}
if redis.call('SISMEMBER', key.publicationsOf(roomId, participantId), publicationId) == 0 then return 0 end
stage_unpublish(roomId, participantId, publicationId, reason)
commit()
return 1`,
  },
  removeRelay: {
    args: ["relayId"],
    result: z.null(),
    lua: `${include.transaction}
stage('HDEL', key.relays(), relayId)
stage('ZREM', key.relayBeats(), relayId)
commit()`,
  },
  renewLease: {
    args: ["name","holder","ms"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `if redis.call('GET', key.lease(name)) ~= holder then return 0 end
return redis.call('PEXPIRE', key.lease(name), ms)`,
  },
  renewSnapshotLock: {
    args: ["name","holder","ms"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `if redis.call('GET', key.snapshotLock(name)) ~= holder then return 0 end
return redis.call('PEXPIRE', key.snapshotLock(name), ms)`,
  },
  repairNodes: {
    args: ["from"],
    result: z.tuple([z.number(), z.number()]),
    lua: `${include.time}
${include.nodes}
local wrong, more = repair_index(tonumber(from))
return { wrong, more and from + nodesPerRepair or -1 }`,
  },
  repairRoom: {
    args: ["roomId","listKey","cursor"],
    result: z.tuple([z.string(), z.number(), z.array(z.string())]),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
${include.retained}
${include.leave}
if redis.call('EXISTS', key.room(roomId)) == 0 then stage('ZREM', key.rooms(), listKey) end
local page = redis.call('HSCAN', key.members(roomId), cursor, 'COUNT', 100)
local removed, failed = 0, {}
for index = 1, #page[2], 2 do
  local participant = page[2][index]
  local session = session_of(participant)
  local ok, staged = attempt(function()
    if redis.call('EXISTS', key.session(session)) == 0 then return stage_leave(roomId, participant, 'disconnected', '') end
    if redis.call('SISMEMBER', key.sessionRooms(session), roomId) == 0 then stage('SADD', key.sessionRooms(session), roomId) end
  end)
  if not ok then
    failed[#failed + 1] = participant
  elseif staged then
    removed = removed + 1
  end
end
stage_reservations()
commit()
return { page[1], removed, failed }`,
  },
  reportBreakers: {
    args: ["reporter","report","shownMs"],
    result: z.null(),
    lua: `${include.time}
${include.transaction}
local now = now_ms()
local known = redis.call('HGETALL', key.breakers())
for index = 1, #known, 2 do
  local shown_until = tonumber(string.match(known[index + 1], '^(%d+) '))
  if known[index] ~= reporter and (not shown_until or shown_until < now) then stage('HDEL', key.breakers(), known[index]) end
end
if report == '' then
  stage('HDEL', key.breakers(), reporter)
else
  stage('HSET', key.breakers(), reporter, string.format('%d ', now + tonumber(shownMs)) .. report)
  stage('EXPIRE', key.breakers(), math.ceil(tonumber(shownMs) / 1000))
end
commit()`,
  },
  reportMigration: {
    args: ["migrationId","sessionId","report"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
local known = redis.call('HGET', key.history(), migrationId)
local record = known and cjson.decode(known)
if not record or record.sessionId ~= sessionId or record.ms then return 0 end
stage_history(migrationId, record.startedAt, cjson.decode(report))
commit()
return 1`,
  },
  reportNode: {
    args: ["nodeId","report","state","version","slot","stats","peerScores"],
    result: z.array(z.string()),
    lua: `${include.time}
${include.transaction}
${include.nodes}
${include.canary}
mark_late_nodes()
local late = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key.beats(), '-inf', now_ms() - nodeTimeoutMs)) do
  if id ~= nodeId then late[#late + 1] = id end
end
stage('HSET', key.nodes(), nodeId, report)
stage('ZADD', key.beats(), now_ms(), nodeId)
slot = placement_state(state, version) .. ' ' .. slot
stage('HSET', key.slots(), nodeId, slot)
local taken = redis.call('HGET', key.reserved(), nodeId)
for _, side in pairs(sides) do
  local load = index_load(side, now_ms(), slot, taken, oldest_beat())
  if load then
    stage('ZADD', key.nodesByLoad(side), load, nodeId)
  elseif redis.call('ZSCORE', key.nodesByLoad(side), nodeId) then
    stage('ZREM', key.nodesByLoad(side), nodeId)
  end
end
stage('HSET', key.peerScores(), nodeId, peerScores)
append(key.nodeStats(), keptReports, stats)
commit()
return late`,
  },
  reportRelay: {
    args: ["relayId","report"],
    result: z.null(),
    lua: `${include.time}
${include.transaction}
stage('HSET', key.relays(), relayId, report)
stage('ZADD', key.relayBeats(), now_ms(), relayId)
commit()`,
  },
  requireBridge: {
    args: ["roomId","sessionId","resumeHash"],
    result: z.union([z.enum(['SESSION_EXPIRED', 'TOKEN_REVOKED', 'ROOM_NOT_FOUND', 'FORBIDDEN', 'BANNED']), z.number()]),
    lua: `${include.acceptance}
${include.transaction}
${include.room}
${include.time}
local held_hash, user = unpack(redis.call('HMGET', key.session(sessionId), 'resumeHash', 'userId'))
if not user or held_hash ~= resumeHash then return 'SESSION_EXPIRED' end
if is_revoked(user, redis.call('ZSCORE', key.issued(), sessionId) or 0) then return 'TOKEN_REVOKED' end
local room = decode(redis.call('GET', key.room(roomId)) or '')
if not room then return 'ROOM_NOT_FOUND' end
if room.acceptBridged ~= true then return 'FORBIDDEN' end
if tonumber(redis.call('ZSCORE', key.bans(roomId), user) or 0) > now_ms() then return 'BANNED' end
return redis.call('HLEN', key.members(roomId))`,
  },
  resumeSession: {
    args: ["resumeHash","nextHash","gatewayId"],
    result: z.tuple([z.string(), z.array(z.string()), z.array(z.string())]).nullable(),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.sessions}
local id = redis.call('GET', key.resume(resumeHash))
if not id then return nil end
local record = redis.call('HGETALL', key.session(id))
if #record == 0 then
  delete(key.resume(resumeHash))
  commit()
  return nil
end
local window_ends = redis.call('ZSCORE', key.detached(), id)
if window_ends and tonumber(window_ends) <= now_ms() then return nil end
local rooms = redis.call('SMEMBERS', key.sessionRooms(id))
local replaced = redis.call('HGET', key.session(id), 'resumeHash')
stage('EXPIRE', key.resume(resumeHash), resumeRepeatSeconds, 'NX')
if replaced and replaced ~= resumeHash then stage('EXPIRE', key.resume(replaced), resumeRepeatSeconds, 'NX') end
stage('SET', key.resume(nextHash), id)
stage('ZREM', key.detached(), id)
local before = redis.call('HGET', key.session(id), 'gatewayId')
if before ~= gatewayId then stage('SREM', key.gatewaySessions(before), id) end
stage('SADD', key.gatewaySessions(gatewayId), id)
stage('HSET', key.session(id), 'gatewayId', gatewayId)
stage('HSET', key.session(id), 'resumeHash', nextHash)
stage_connection(id, 'connected')
commit()
return { id, record, rooms }`,
  },
  retain: {
    args: ["roomId","publisherId","field","unnamed","message"],
    result: z.null(),
    lua: `${include.transaction}
if redis.call('ZSCORE', key.barred(roomId), publisherId) then return nil end
if field ~= unnamed then stage('HDEL', key.retained(roomId), unnamed) end
stage('HSET', key.retained(roomId), field, message)
stage('EXPIRE', key.retained(roomId), retainedSeconds)
commit()
return nil`,
  },
  revokeTokens: {
    args: ["whose","issuedBefore","keptSeconds"],
    result: z.null(),
    lua: `${include.transaction}
local before = redis.call('GET', key.cutoff(whose))
if before and tonumber(before) >= tonumber(issuedBefore) then return nil end
stage('SET', key.cutoff(whose), issuedBefore)
stage('EXPIRE', key.cutoff(whose), keptSeconds)
commit()
return nil`,
  },
  rollBackMigration: {
    args: ["roomId","participantId","migrationId","ending","endedAt","trace"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.time}
${include.transaction}
${include.room}
${include.nodes}
${include.reservations}
${include.migrations}
local record = redis.call('HGET', key.migrations(roomId), participantId)
if not record or (decode(record) or {}).id ~= migrationId then return 0 end
local member = redis.call('HGET', key.members(roomId), participantId)
local migration = stage_migration_end(roomId, participantId)
for _, id in ipairs(redis.call('SMEMBERS', key.publicationsOf(roomId, participantId))) do
  local publication = redis.call('HGET', key.publications(roomId), id)
  local previous = redis.call('HGET', key.previous(roomId, participantId), id)
  if previous then
    stage('HSET', key.publications(roomId), id, previous)
    append_event(roomId, '{"type":"publication_updated","from":"' .. participantId .. '","payload":{"publication":' .. json_of_publication(previous) .. '}}')
  elseif publication and member and node_of_publication(publication) ~= node_of_member(member) then
    stage_unpublish(roomId, participantId, id)
  end
end
append_event(roomId, '{"type":"migration_rolled_back","from":"system","only":["' .. migration.sessionId .. '"],"payload":{"migrationId":"' .. migrationId .. '"}' .. trace .. '}')
stage_history(migrationId, migration.startedAt, { ['end'] = ending, endedAt = tonumber(endedAt) })
stage_reservations()
commit()
return 1`,
  },
  roomPage: {
    args: ["roomId","participantId","cursor","maxMembers","maxBytes","anyOrder"],
    result: z.union([z.literal('UNORDERED'), z.tuple([z.string(), z.array(z.string()), z.array(z.string()), z.array(z.string()), z.string(), z.string(), z.enum(['peer', 'sfu']), z.string()])]).nullable(),
    lua: `${include.transaction}
${include.room}
${include.pages}
local room = redis.call('GET', key.room(roomId))
local settings = room and decode(room)
if not settings then return nil end
if anyOrder == '' and is_unordered(roomId) then return 'UNORDERED' end
local own = participantId ~= '' and redis.call('HGET', key.members(roomId), participantId) or nil
local migration = participantId ~= '' and redis.call('HGET', key.migrations(roomId), participantId) or ''
local page = read_page(roomId, cursor, participantId, own, tonumber(maxMembers), tonumber(maxBytes))
return { room, page.members, page.publications, page.reconnecting, page.following, last_offset(key.events(roomId)), media_mode(settings, roomId), migration }`,
  },
  sendToUser: {
    args: ["userId","message"],
    result: z.string().nullable(),
    lua: `${include.time}
${include.transaction}
local now = now_ms()
local gateways, reachable = {}, false
for _, id in ipairs(redis.call('SMEMBERS', key.userSessions(userId))) do
  local window_ends = redis.call('ZSCORE', key.detached(), id)
  if not window_ends then
    local gateway = redis.call('HGET', key.session(id), 'gatewayId')
    if gateway then
      gateways[gateway] = true
      reachable = true
    end
  elseif tonumber(window_ends) > now then
    reachable = true
  end
end
if not reachable then return nil end
local ms, number = string.match(last_offset(key.inbox(userId)), '^(%d+)-(%d+)$')
local offset = tonumber(ms) < now and string.format('%d-0', now) or string.format('%s-%d', ms, number + 1)
local kept, bytes = 1, #message
for _, entry in ipairs(redis.call('XREVRANGE', key.inbox(userId), '+', '-', 'COUNT', keptMessagesPerUser - 1)) do
  bytes = bytes + #entry[2][2]
  if bytes > maxInboxBytes then break end
  kept = kept + 1
end
append(key.inbox(userId), kept, message, { id = offset, ttl = messagesKeptSeconds, exact = true })
for gateway in pairs(gateways) do
  append(key.gatewayStream(gateway), maxStreamLength,
    '{"type":"user_message","userId":"' .. userId .. '","seq":"' .. offset .. '","message":' .. message .. '}', { ttl = idleStreamSeconds })
end
commit()
return offset`,
  },
  unlockSnapshot: {
    args: ["name","holder"],
    result: z.null(),
    lua: `if redis.call('GET', key.snapshotLock(name)) == holder then redis.call('DEL', key.snapshotLock(name)) end`,
  },
  writeCanary: {
    args: ["term","record","evidence","stable","previous","candidate","share","excluded","done"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.transaction}
${include.terms}
if is_stale(term) then return 0 end
stage('HSET', key.canary(), 'record', record)
stage('HSET', key.canary(), 'evidence', evidence)
stage('HSET', key.canary(), 'stable', stable)
stage('HSET', key.canary(), 'previous', previous)
stage('HSET', key.canary(), 'candidate', candidate)
stage('HSET', key.canary(), 'share', share)
stage('HSET', key.canary(), 'excluded', excluded)
if done ~= '' and redis.call('HGET', key.canary(), 'order') == done then stage('HDEL', key.canary(), 'order') end
commit()
return 1`,
  },
  writeSnapshot: {
    args: ["name","holder","version","ageMs","text","keptMs"],
    result: z.union([z.literal(0), z.literal(1)]),
    lua: `${include.time}
if redis.call('GET', key.snapshotLock(name)) ~= holder then return 0 end
redis.call('HSET', key.snapshot(name), 'version', version, 'began', string.format('%d', now_ms() - tonumber(ageMs)), 'text', text)
redis.call('PEXPIRE', key.snapshot(name), tonumber(keptMs))
return 1`,
  },
} as const satisfies Record<ScriptName, { args: readonly string[]; result: z.ZodType; lua: string }>;

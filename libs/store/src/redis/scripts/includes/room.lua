-- @include transaction
local function append_event(room, event)
  append(key.events(room), maxStreamLength, event)
end

local function media_mode(settings, room)
  return settings.peerToPeer and redis.call('EXISTS', key.upgraded(room)) == 0 and 'peer' or 'sfu'
end

-- The value of a record, or nil when it is not a JSON object: a script that removes such a record must not fail on it.
local function decode(json)
  local ok, value = pcall(cjson.decode, json)
  return ok and type(value) == 'table' and value or nil
end

-- A session is at most one participant of a room; see participantIdOf.
local function participant_of(session) return 'pt_' .. string.sub(session, 4) end
local function session_of(participant) return 'ss_' .. string.sub(participant, 4) end

-- Records are opaque to scripts but for what stands in front of their JSON, so that no script depends on what a JSON parser accepts.
-- A member: `<node id> <id of its last committed migration, or -> <Member without nodeId>`.
local function node_of_member(record) return string.match(record, '^(%S+) ') end
local function last_migration_of(record) return string.match(record, '^%S+ (%S+) ') end
local function member_record(record, node, migration)
  local _, last, json = string.match(record, '^(%S+) (%S+) (.*)$')
  return node .. ' ' .. (migration or last) .. ' ' .. json
end
-- A publication: `<node id> <Publication>`.
local function node_of_publication(record) return string.match(record, '^(%S+) ') end
local function json_of_publication(record) return string.match(record, '^%S+ (.*)$') end

-- The ids as JSON; cjson writes an empty table as an object.
local function json_list(ids) return #ids > 0 and cjson.encode(ids) or '[]' end

local function append_moved(room, participant, node, migration)
  append_event(room, '{"type":"participant_moved","from":"system","payload":{"participantId":"' .. participant .. '","nodeId":"' .. node .. '"'
    .. (migration and ',"migrationId":"' .. migration .. '"' or '') .. '}}')
end

local function stage_unpublish(room, participant, publication)
  stage('HDEL', key.publications(room), publication)
  stage('SREM', key.publicationsOf(room, participant), publication)
  append_event(room, '{"type":"publication_removed","from":"' .. participant .. '","payload":{"publicationId":"' .. publication
    .. '","participantId":"' .. participant .. '"}}')
end

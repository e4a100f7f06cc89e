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
-- A member: `<node id> <id of its last committed migration, or -> <grants> <Member without nodeId and grants>`. The grants are those
-- that apply in rooms, separated by commas, and its maximum bit rate if it has one, or - for none.
local function node_of_member(record) return string.match(record, '^(%S+) ') end
local function last_migration_of(record) return string.match(record, '^%S+ (%S+) ') end
local function grants_of_member(record) return string.match(record, '^%S+ %S+ (%S+) ') or '-' end
local function member_record(record, changes)
  local node, migration, grants, json = string.match(record, '^(%S+) (%S+) (%S+) (.*)$')
  return (changes.node or node) .. ' ' .. (changes.migration or migration) .. ' ' .. (changes.grants or grants) .. ' ' .. json
end
local function has_grant(grants, grant) return string.find(',' .. grants .. ',', ',' .. grant .. ',', 1, true) ~= nil end

-- The grants of a session that apply in rooms, in the form and order of a member's record, with its maximum bit rate; see grants-text.ts.
local function room_grants(grants)
  local held = {}
  for _, grant in ipairs({ 'publish', 'subscribe', 'data' }) do
    if has_grant(grants, grant) then held[#held + 1] = grant end
  end
  if #held > 0 then held[#held + 1] = string.match(grants, 'bitrate=%d+') end
  return #held > 0 and table.concat(held, ',') or '-'
end

-- Whether a session may be in a room: its claim `room` names the room or is *, and it has a grant that applies in rooms.
local function may_be_in(room, room_claim, grants)
  return (room_claim == '*' or room_claim == room) and room_grants(grants) ~= '-'
end

-- Only those who may both publish and subscribe exchange media directly: the SFU enforces the grants of the others.
local function may_call_directly(grants) return has_grant(grants, 'publish') and has_grant(grants, 'subscribe') end
local function stage_sfu_mode(room)
  stage('SET', key.upgraded(room), '1')
  delete(key.pairs(room))
  append_event(room, '{"type":"media_mode","from":"system","payload":{"mediaMode":"sfu"}}')
end
-- A publication: `<node id> <Publication>`.
local function node_of_publication(record) return string.match(record, '^(%S+) ') end
local function json_of_publication(record) return string.match(record, '^%S+ (.*)$') end

local function split(list)
  local words = {}
  for word in string.gmatch(list, '[^,]+') do
    words[#words + 1] = word
  end
  return words
end

-- The ids as JSON; cjson writes an empty table as an object.
local function json_list(ids) return #ids > 0 and cjson.encode(ids) or '[]' end

-- `trace`: the field `trace` of the event, or nothing.
local function append_moved(room, participant, node, trace, migration)
  append_event(room, '{"type":"participant_moved","from":"system","payload":{"participantId":"' .. participant .. '","nodeId":"' .. node .. '"'
    .. (migration and ',"migrationId":"' .. migration .. '"' or '') .. '}' .. trace .. '}')
end

-- `reason`: why the server ends it, or nothing.
local function stage_unpublish(room, participant, publication, reason)
  stage('HDEL', key.publications(room), publication)
  stage('SREM', key.publicationsOf(room, participant), publication)
  append_event(room, '{"type":"publication_removed","from":"' .. participant .. '","payload":{"publicationId":"' .. publication
    .. '","participantId":"' .. participant .. '"' .. ((reason or '') ~= '' and ',"reason":"' .. reason .. '"' or '') .. '}}')
end

-- @include room
-- Pages of a room's members. A member keeps its position in the order of the joins while it is in the room.

-- Whether an earlier version, which does not keep the order, added or removed members.
local function is_unordered(room) return redis.call('ZCARD', key.joinOrder(room)) ~= redis.call('HLEN', key.members(room)) end

local function last_position(room) return tonumber(redis.call('ZRANGE', key.joinOrder(room), -1, -1, 'WITHSCORES')[2] or '0') end

-- A member with its publications, and the bytes of their records.
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

-- Reads the members behind the position `cursor`. With `own_record` the participant `own` is the last of the page, and the others fill
-- the rest. `following` of the result is the position of the last one, or empty when there are no more.
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
      -- The member of an earlier position may be gone, see is_unordered.
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
end

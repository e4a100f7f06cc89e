-- @include transaction
-- @include nodes
-- Changes of reserved capacity, which a script collects and stages once: `assignments` counts a room's members by node,
-- `reserved` all members of a node. A migration counts on both of its nodes.
local reservation_changes = {}
journals[#journals + 1] = reservation_changes

-- `node` is nil for a record that names none.
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

-- Stages the entries of a node in the index with its new reserved capacity. A node without a heartbeat has none.
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
end

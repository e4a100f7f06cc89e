-- @include transaction
-- Changes of reserved capacity, which a script collects and stages once: `assignments` counts a room's members by node,
-- `reserved` all members of a node. A migration counts on both of its nodes.
local reservation_changes = {}

local function reserve(room, node, change)
  local nodes = reservation_changes[room] or {}
  reservation_changes[room] = nodes
  nodes[node] = (nodes[node] or 0) + change
end

local function stage_count(hash, field, change)
  local count = tonumber(redis.call('HGET', hash, field) or '0') + change
  if count > 0 then
    stage('HSET', hash, field, string.format('%d', count))
  else
    stage('HDEL', hash, field)
  end
end

local function stage_reservations()
  local totals = {}
  for room, nodes in pairs(reservation_changes) do
    for node, change in pairs(nodes) do
      if change ~= 0 then
        stage_count(key.assignments(room), node, change)
        totals[node] = (totals[node] or 0) + change
      end
    end
  end
  for node, change in pairs(totals) do
    if change ~= 0 then stage_count(key.reserved(), node, change) end
  end
end

-- @include time
--[[
The index of the nodes: every node that has a heartbeat, with its load, or with `unplaceableLoad` when nobody is assigned to it. It is
derived from heartbeats, slots and reserved capacity, by whose scripts it is written. Earlier versions do not write it, therefore each node
is checked before it is chosen, and what differs is written at once: a repair is right whether or not the script that makes it succeeds.
]]
local function oldest_beat() return now_ms() - nodeTimeoutMs end

-- The load that the index has of a node. `beat`: its last heartbeat; `slot`: see keys.ts; `taken`: its reserved capacity, or false.
local function index_load(beat, slot, taken, oldest)
  local state, capacity, cpu = string.match(slot or '', '^(%S+) (%S+) (%S+)$')
  capacity, cpu, taken = tonumber(capacity), tonumber(cpu), tonumber(taken or '0')
  if state ~= 'active' or not beat or tonumber(beat) < oldest or not capacity or not cpu or not taken then return unplaceableLoad end
  local load = math.max(taken / capacity, cpu)
  -- A comparison with NaN is false.
  return taken < capacity and load < unplaceableLoad and load or unplaceableLoad
end

-- The loads of nodes, as they are now.
local function loads_of(ids)
  if #ids == 0 then return {} end
  local beats = redis.call('ZMSCORE', key.beats(), unpack(ids))
  local slots = redis.call('HMGET', key.slots(), unpack(ids))
  local reserved = redis.call('HMGET', key.reserved(), unpack(ids))
  local oldest, loads = oldest_beat(), {}
  for index in ipairs(ids) do
    loads[index] = index_load(beats[index], slots[index], reserved[index], oldest)
  end
  return loads
end

-- The nodes whose heartbeats stopped last take nobody any more. Those before them were marked in their turn.
local function mark_late_nodes()
  local late = redis.call('ZRANGE', key.beats(), '(' .. oldest_beat(), '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, maxExaminedNodes)
  if #late == 0 then return end
  for index, load in ipairs(redis.call('ZMSCORE', key.nodesByLoad(), unpack(late))) do
    if load and tonumber(load) < unplaceableLoad then redis.call('ZADD', key.nodesByLoad(), unplaceableLoad, late[index]) end
  end
end

-- Corrects a page of the index. `from` is the place of its first node in the order of the heartbeats, and in the index. Returns the number of
-- entries that were wrong, and whether there is a page behind it.
local function repair_index(from)
  local last, wrong = from + nodesPerRepair - 1, 0
  local ids = redis.call('ZRANGE', key.beats(), from, last)
  local loads = loads_of(ids)
  local known = #ids > 0 and redis.call('ZMSCORE', key.nodesByLoad(), unpack(ids)) or {}
  for index, id in ipairs(ids) do
    if tonumber(known[index]) ~= loads[index] then
      redis.call('ZADD', key.nodesByLoad(), loads[index], id)
      wrong = wrong + 1
    end
  end
  local indexed = redis.call('ZRANGE', key.nodesByLoad(), from, last)
  for index, beat in ipairs(#indexed > 0 and redis.call('ZMSCORE', key.beats(), unpack(indexed)) or {}) do
    if not beat then
      redis.call('ZREM', key.nodesByLoad(), indexed[index])
      wrong = wrong + 1
    end
  end
  return wrong, #ids == nodesPerRepair or #indexed == nodesPerRepair
end

-- Finds nodes that an earlier version added or removed. Of many nodes each run reads a part.
local function complete_index()
  local nodes = redis.call('ZCARD', key.beats())
  if nodes == redis.call('ZCARD', key.nodesByLoad()) then return end
  repair_index(nodes == 0 and 0 or math.max(0, now_ms() % nodes - nodesPerRepair / 2))
end

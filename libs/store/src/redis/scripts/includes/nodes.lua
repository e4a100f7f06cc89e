-- @include time
--[[
The index of the nodes: every node that has a heartbeat, with its load, or with `unplaceableLoad` when nobody is assigned to it. It is
derived from heartbeats, slots and reserved capacity, by whose scripts it is written. Earlier versions do not write it, therefore each node
is checked before it is chosen, and what differs is written at once: a repair is right whether or not the script that makes it succeeds.

The nodes in the state `candidate` have an index of their own, of them alone. In the first one they take nobody, as for versions before the
canary. A `side` is what the key of an index ends with, by the state of its nodes.
]]
local sides = { active = '', candidate = ':candidate' }

local function oldest_beat() return now_ms() - nodeTimeoutMs end

-- The load that the index of a side has of a node, or false when the node is not in it. `beat`: its last heartbeat; `slot`: see keys.ts;
-- `taken`: its reserved capacity, or false.
local function index_load(side, beat, slot, taken, oldest)
  local state, capacity, cpu = string.match(slot or '', '^(%S+) (%S+) (%S+)$')
  capacity, cpu, taken = tonumber(capacity), tonumber(cpu), tonumber(taken or '0')
  local is_on_side = sides[state] == side
  if not is_on_side and side ~= sides.active then return false end
  if not is_on_side or not beat or tonumber(beat) < oldest or not capacity or not cpu or not taken then return unplaceableLoad end
  local load = math.max(taken / capacity, cpu)
  -- A comparison with NaN is false.
  return taken < capacity and load < unplaceableLoad and load or unplaceableLoad
end

-- The loads of nodes, as they are now; see index_load.
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

-- The nodes whose heartbeats stopped last take nobody any more. Those before them were marked in their turn.
local function mark_late_nodes()
  local late = redis.call('ZRANGE', key.beats(), '(' .. oldest_beat(), '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, maxExaminedNodes)
  if #late == 0 then return end
  for _, side in pairs(sides) do
    for index, load in ipairs(redis.call('ZMSCORE', key.nodesByLoad(side), unpack(late))) do
      if load and tonumber(load) < unplaceableLoad then correct(side, late[index], unplaceableLoad) end
    end
  end
end

-- Corrects a page of the index of a side. Returns the number of entries that were wrong, and of those that it had.
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

-- Corrects a page of the index. `from` is the place of its first node in the order of the heartbeats, and in the index. Returns the number of
-- entries that were wrong, and whether there is a page behind it.
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

-- Finds nodes that an earlier version added or removed. Of many nodes each run reads a part.
local function complete_index()
  local nodes = redis.call('ZCARD', key.beats())
  if nodes == redis.call('ZCARD', key.nodesByLoad(sides.active)) then return end
  repair_index(nodes == 0 and 0 or math.max(0, now_ms() % nodes - nodesPerRepair / 2))
end

-- @include nodes
-- The choice of a node: the same as that of onDrawnSide in canary-side.ts and chooseNode in placement.ts, whose comments give the reasons; a
-- property test compares.

-- The place of the choice, from 0, among `count` nodes in the order of their load.
local function chosen_place(count, options)
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

-- Chooses among these nodes those of the side that are not excluded and whose load is below `limit`.
local function choose_of(side, ids, limit, options)
  local free = {}
  for index, load in ipairs(loads_of(side, ids)) do
    if load and load < limit and not options.exclude[ids[index]] then free[#free + 1] = { id = ids[index], load = load } end
  end
  if #free == 0 then return nil end
  table.sort(free, is_before)
  return free[chosen_place(#free, options) + 1].id
end

-- The nodes that host a room. Of more than maxExaminedHosts as many, at random.
local function hosts_of(room)
  local found, hosts = redis.call('HRANDFIELD', key.assignments(room), maxExaminedHosts, 'WITHVALUES'), {}
  for index = 1, #found, 2 do
    if (tonumber(found[index + 1]) or 0) > 0 then hosts[#hosts + 1] = found[index] end
  end
  return hosts
end

-- Of the indexed nodes of a side that are not skipped, the one that has `place` of them before it.
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

-- Chooses among the indexed nodes of a side with a load below `limit`, without the nodes `skip`. When the index is wrong about the chosen one, it is
-- corrected and the choice repeated, at most maxExaminedNodes times.
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

-- Examines nodes to which the index says that nobody is assigned: an earlier version may have released capacity of them.
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

--[[
options: room, spread, exclude (set of node ids), only (a node id, or nil), random1, random2, draw (in [0, 1)). Returns a node id or nil.
Its work grows with the logarithm of the number of nodes.
]]
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
end

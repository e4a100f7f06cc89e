-- @include time
--[[
The same choice as chooseNode in placement.ts, whose comments give the reasons; a property test compares the two.
options: room, spread, exclude (set of node ids), only (a node id, or nil), random1, random2 (in [0, 1)). Returns a node id or nil.
]]
local function choose_node(options)
  local free = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key.beats(), now_ms() - nodeTimeoutMs, '+inf')) do
    local state, capacity, cpu = string.match(redis.call('HGET', key.slots(), id) or '', '^(%S+) (%S+) (%S+)$')
    capacity, cpu = tonumber(capacity), tonumber(cpu)
    local taken = tonumber(redis.call('HGET', key.reserved(), id) or '0')
    local allowed = not options.exclude[id] and (options.only == nil or options.only == id)
    if state == 'active' and allowed and capacity and cpu and taken < capacity then
      local hosts = tonumber(redis.call('HGET', key.assignments(options.room), id) or '0') > 0
      free[#free + 1] = { id = id, load = math.max(taken / capacity, cpu), preferred = hosts ~= (options.spread == true) }
    end
  end
  table.sort(free, function(a, b)
    if a.load ~= b.load then return a.load < b.load end
    return a.id < b.id
  end)
  local preferred = {}
  for _, node in ipairs(free) do
    if node.preferred and node.load < preferredLoadLimit then preferred[#preferred + 1] = node end
  end
  local from = #preferred > 0 and preferred or free
  local among = math.max(math.min(#from, 2), math.ceil(#from / 2))
  if among == 0 then return nil end
  if among == 1 then return from[1].id end
  local first = math.floor(options.random1 * among)
  local second = math.floor(options.random2 * (among - 1))
  if second >= first then second = second + 1 end
  return from[math.min(first, second) + 1].id
end

local function set_of(json)
  local set = {}
  for _, id in ipairs(cjson.decode(json)) do
    set[id] = true
  end
  return set
end

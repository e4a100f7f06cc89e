--[[
Makes a script all or nothing. Redis does not roll back a script that fails half-way, so a script reads and validates first and
stages its writes; commit() at its end runs them and, when one fails, restores what the earlier ones changed before it raises
the error. Reads after a staged write still see the state before it. Keys are deleted last, by one command.
]]
local staged, appended, deleted = {}, {}, {}
-- The lists that attempt() cuts back.
local journals = { staged, appended, deleted }
local attempting = false
local restoring = {}

local function stage(...)
  local command = { ... }
  -- A key of another type fails here rather than in commit(), where it would fail for all records.
  if attempting then restoring[command[1]](unpack(command, 2)) end
  staged[#staged + 1] = command
end

-- Runs `work`, which stages the changes of one record among many. When it fails because the record is damaged, what it staged is
-- dropped and false is returned; else true and its result.
local function attempt(work)
  local lengths = {}
  for index, journal in ipairs(journals) do
    lengths[index] = #journal
  end
  attempting = true
  local ok, result = pcall(work)
  attempting = false
  if ok then return true, result end
  -- WRONGTYPE: a key of another type; user_script: a value of another shape. Anything else would fail for all records.
  local message = type(result) == 'table' and result.err or tostring(result)
  if not string.find(message, '^WRONGTYPE') and not string.find(message, '^user_script') then error(result, 0) end
  for index, journal in ipairs(journals) do
    for position = #journal, lengths[index] + 1, -1 do
      journal[position] = nil
    end
  end
  return false
end

-- Stages an entry of a stream that keeps about `kept` entries, and fewer large ones, see `keptEntries` of the bus. Subscribers get it on the channel of the stream's key. `options`:
-- ttl (seconds), id (of the entry), exact (whether exactly `kept` are kept, also of large ones).
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

-- The command that restores what a write is about to change, or nil when it changes nothing.
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
  -- An entry that could not be published is read by the subscribers when the next one does not follow on theirs.
  for _, entry in ipairs(appended) do
    redis.pcall('PUBLISH', entry.stream, entry.offset .. ' ' .. entry.previous .. ' ' .. entry.data)
  end
end

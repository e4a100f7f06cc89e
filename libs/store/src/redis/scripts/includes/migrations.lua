-- @include time
-- @include room
-- @include reservations
-- Ends a member's migration without moving it: releases the capacity on its new node. Returns the migration, or nil when there is
-- none or its record is unreadable.
local function stage_migration_end(room, participant)
  local record = redis.call('HGET', key.migrations(room), participant)
  if not record then return nil end
  local migration = decode(record)
  if migration then reserve(room, migration.toNode, -1) end
  stage('HDEL', key.migrations(room), participant)
  stage('ZREM', key.running(), room .. '/' .. participant)
  delete(key.previous(room, participant))
  return migration
end

-- Writes a migration to the history, which keeps the newest keptMigrations. What is known of it and not in `changes` stays.
local function stage_history(id, started_at, changes)
  local known = redis.call('HGET', key.history(), id)
  local record = known and decode(known) or {}
  for field, value in pairs(changes) do
    record[field] = value
  end
  stage('HSET', key.history(), id, cjson.encode(record))
  stage('ZADD', key.historyOrder(), started_at, id)
  local surplus = redis.call('ZCARD', key.historyOrder()) + (known and 0 or 1) - keptMigrations
  if surplus > 0 then
    for _, oldest in ipairs(redis.call('ZRANGE', key.historyOrder(), 0, surplus - 1)) do
      stage('HDEL', key.history(), oldest)
      stage('ZREM', key.historyOrder(), oldest)
    end
  end
end

-- As stage_migration_end, with its line in the history: its member leaves or is assigned elsewhere.
local function stage_migration_abort(room, participant)
  local migration = stage_migration_end(room, participant)
  if migration then stage_history(migration.id, migration.startedAt, { ['end'] = 'rolled_back', endedAt = now_ms() }) end
end

-- @include time
-- @include room
--[[
Ends the right of a publisher to retain values: deletes its own and those of its user's participants that have left the room, and lists
all of these in `barred`, from where relays read them. Their values are refused until stage_unbar.
]]
local function stage_bar(room, participant)
  local user = redis.call('HGET', key.session(session_of(participant)), 'userId')
  local publishers = { [participant] = true }
  for _, field in ipairs(redis.call('HKEYS', key.retained(room))) do
    local publisher, whose = string.match(field, '^(%S+) %S+ ?(%S*)$')
    local is_earlier = user and whose == user and redis.call('HEXISTS', key.members(room), publisher) == 0
    if publisher and (publisher == participant or is_earlier) then
      publishers[publisher] = true
      stage('HDEL', key.retained(room), field)
    end
  end
  local before = now_ms() - retainedSeconds * 1000
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', key.barred(room), '-inf', before, 'LIMIT', 0, 100)) do
    stage('ZREM', key.barred(room), old)
  end
  for publisher in pairs(publishers) do
    stage('ZADD', key.barred(room), now_ms(), publisher)
  end
  stage('EXPIRE', key.barred(room), retainedSeconds)
end

-- A participant joined, or got the grant `publish` again.
local function stage_unbar(room, participant)
  if redis.call('ZSCORE', key.barred(room), participant) then stage('ZREM', key.barred(room), participant) end
end

--[[
Assigns the session behind a resume token to a gateway and exchanges the token. The token and the one that it replaces expire soon:
the answer may be lost, and several resumes with one token may run at once.
@args resumeHash nextHash gatewayId
@result z.tuple([z.string(), z.array(z.string()), z.array(z.string())]).nullable()
Returns {session id, its record as it was, its rooms}, or nil when the token is unknown or its window has passed.
]]
-- @include time
-- @include sessions
local id = redis.call('GET', key.resume(resumeHash))
if not id then return nil end
local record = redis.call('HGETALL', key.session(id))
if #record == 0 then
  delete(key.resume(resumeHash))
  commit()
  return nil
end
local window_ends = redis.call('ZSCORE', key.detached(), id)
if window_ends and tonumber(window_ends) <= now_ms() then return nil end
local rooms = redis.call('SMEMBERS', key.sessionRooms(id))
local replaced = redis.call('HGET', key.session(id), 'resumeHash')
stage('EXPIRE', key.resume(resumeHash), resumeRepeatSeconds, 'NX')
if replaced and replaced ~= resumeHash then stage('EXPIRE', key.resume(replaced), resumeRepeatSeconds, 'NX') end
stage('SET', key.resume(nextHash), id)
stage('ZREM', key.detached(), id)
local before = redis.call('HGET', key.session(id), 'gatewayId')
if before ~= gatewayId then stage('SREM', key.gatewaySessions(before), id) end
stage('SADD', key.gatewaySessions(gatewayId), id)
stage('HSET', key.session(id), 'gatewayId', gatewayId)
stage('HSET', key.session(id), 'resumeHash', nextHash)
stage_connection(id, 'connected')
commit()
return { id, record, rooms }

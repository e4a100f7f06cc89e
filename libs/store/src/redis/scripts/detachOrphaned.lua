--[[
Detaches at most `limit` sessions of one gateway whose heartbeat is older than `timeoutMs`; a gateway without sessions is taken off
and its stream expires.
@args timeoutMs windowMs limit streamSeconds
@result z.tuple([z.number(), z.union([z.literal(0), z.literal(1)])])
Returns {sessions that were detached, 1 when there may be more}.
]]
-- @include time
-- @include sessions
local now = now_ms()
local gateway = redis.call('ZRANGEBYSCORE', key.gateways(), '-inf', now - timeoutMs, 'LIMIT', 0, 1)[1]
if not gateway then return { 0, 0 } end
local ids = redis.call('SRANDMEMBER', key.gatewaySessions(gateway), limit)
for _, id in ipairs(ids) do
  stage('SREM', key.gatewaySessions(gateway), id)
  if not redis.call('ZSCORE', key.detached(), id) then stage('ZADD', key.detached(), now + windowMs, id) end
  stage_connection(id, 'reconnecting')
end
if redis.call('SCARD', key.gatewaySessions(gateway)) == #ids then
  stage('ZREM', key.gateways(), gateway)
  stage('EXPIRE', key.gatewayStream(gateway), streamSeconds)
end
commit()
return { #ids, 1 }

--[[
Detaches at most `limit` sessions of a gateway whose heartbeat is older than `timeoutMs`; a gateway without sessions is taken off.
A session with a damaged record is detached without the events for its rooms.
@args gatewayId timeoutMs windowMs limit
@result z.tuple([z.number(), z.union([z.literal(0), z.literal(1)])])
Returns {sessions that were detached, 1 when there are more}.
]]
-- @include time
-- @include sessions
local now = now_ms()
local seen_at = redis.call('ZSCORE', key.gateways(), gatewayId)
if not seen_at or tonumber(seen_at) > now - timeoutMs then return { 0, 0 } end
local ids = redis.call('SRANDMEMBER', key.gatewaySessions(gatewayId), limit)
for _, id in ipairs(ids) do
  stage('SREM', key.gatewaySessions(gatewayId), id)
  if not redis.call('ZSCORE', key.detached(), id) then stage('ZADD', key.detached(), now + windowMs, id) end
  attempt(function() stage_connection(id, 'reconnecting') end)
end
local more = redis.call('SCARD', key.gatewaySessions(gatewayId)) > #ids
if not more then stage('ZREM', key.gateways(), gatewayId) end
commit()
return { #ids, more and 1 or 0 }

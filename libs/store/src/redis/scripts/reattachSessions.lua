--[[
Marks sessions as connected to a gateway. Those that ended or are assigned to another gateway are passed over.
@args gatewayId ...sessionIds
@result z.null()
]]
-- @include sessions
for _, id in ipairs(sessionIds) do
  if redis.call('HGET', key.session(id), 'gatewayId') == gatewayId then
    stage('ZREM', key.detached(), id)
    stage('SADD', key.gatewaySessions(gatewayId), id)
    stage_connection(id, 'connected')
  end
end
commit()

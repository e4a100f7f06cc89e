--[[
Marks sessions as connected to a gateway. Those that ended, are assigned to another gateway or have a damaged record are
passed over.
@args gatewayId ...sessionIds
@result z.null()
]]
-- @include sessions
for _, id in ipairs(sessionIds) do
  attempt(function()
    if redis.call('HGET', key.session(id), 'gatewayId') ~= gatewayId then return end
    stage('ZREM', key.detached(), id)
    stage('SADD', key.gatewaySessions(gatewayId), id)
    stage_connection(id, 'connected')
  end)
end
commit()

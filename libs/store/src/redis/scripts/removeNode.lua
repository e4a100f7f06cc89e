--[[
Removes a node. Capacity that members still hold on it is released with them.
@args nodeId
@result z.null()
]]
-- @include transaction
-- @include nodes
stage('HDEL', key.nodes(), nodeId)
stage('ZREM', key.beats(), nodeId)
for _, side in pairs(sides) do
  stage('ZREM', key.nodesByLoad(side), nodeId)
end
stage('HDEL', key.slots(), nodeId)
stage('HDEL', key.peerScores(), nodeId)
commit()

--[[
Removes a node. Capacity that members still hold on it is released with them.
@args nodeId
@result z.null()
]]
-- @include transaction
stage('HDEL', key.nodes(), nodeId)
stage('ZREM', key.beats(), nodeId)
stage('ZREM', key.nodesByLoad(), nodeId)
stage('HDEL', key.slots(), nodeId)
stage('HDEL', key.peerScores(), nodeId)
commit()

--[[
Writes a node's heartbeat and appends its statistics to the stream of all nodes. `slot` is `<state> <capacity> <cpu>`, the CPU of its hottest worker.
@args nodeId report slot stats peerScores
@result z.array(z.string())
Returns the ids of nodes whose heartbeat is older than nodeTimeoutMs.
]]
-- @include time
-- @include transaction
-- @include nodes
mark_late_nodes()
local late = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key.beats(), '-inf', now_ms() - nodeTimeoutMs)) do
  if id ~= nodeId then late[#late + 1] = id end
end
stage('HSET', key.nodes(), nodeId, report)
stage('ZADD', key.beats(), now_ms(), nodeId)
stage('HSET', key.slots(), nodeId, slot)
stage('ZADD', key.nodesByLoad(), index_load(now_ms(), slot, redis.call('HGET', key.reserved(), nodeId), oldest_beat()), nodeId)
stage('HSET', key.peerScores(), nodeId, peerScores)
append(key.nodeStats(), keptReports, stats)
commit()
return late

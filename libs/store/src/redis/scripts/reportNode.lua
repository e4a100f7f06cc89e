--[[
Writes a node's heartbeat and appends its statistics to the stream of all nodes. `slot` is `<capacity> <cpu>`, the CPU of its hottest worker.
@args nodeId report state version slot stats peerScores
@result z.array(z.string())
Returns the ids of nodes whose heartbeat is older than nodeTimeoutMs.
]]
-- @include time
-- @include transaction
-- @include nodes
-- @include canary
mark_late_nodes()
local late = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key.beats(), '-inf', now_ms() - nodeTimeoutMs)) do
  if id ~= nodeId then late[#late + 1] = id end
end
stage('HSET', key.nodes(), nodeId, report)
stage('ZADD', key.beats(), now_ms(), nodeId)
slot = placement_state(state, version) .. ' ' .. slot
stage('HSET', key.slots(), nodeId, slot)
local taken = redis.call('HGET', key.reserved(), nodeId)
for _, side in pairs(sides) do
  local load = index_load(side, now_ms(), slot, taken, oldest_beat())
  if load then
    stage('ZADD', key.nodesByLoad(side), load, nodeId)
  elseif redis.call('ZSCORE', key.nodesByLoad(side), nodeId) then
    stage('ZREM', key.nodesByLoad(side), nodeId)
  end
end
stage('HSET', key.peerScores(), nodeId, peerScores)
append(key.nodeStats(), keptReports, stats)
commit()
return late

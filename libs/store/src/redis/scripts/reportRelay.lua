--[[
Writes a relay's heartbeat.
@args relayId report
@result z.null()
]]
-- @include time
-- @include transaction
stage('HSET', key.relays(), relayId, report)
stage('ZADD', key.relayBeats(), now_ms(), relayId)
commit()

--[[
Removes a relay.
@args relayId
@result z.null()
]]
-- @include transaction
stage('HDEL', key.relays(), relayId)
stage('ZREM', key.relayBeats(), relayId)
commit()

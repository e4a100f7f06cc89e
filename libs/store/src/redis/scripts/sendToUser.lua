--[[
Keeps a message (JSON) for a user's sessions and appends it to the streams of the gateways that have them.
@args userId message
@result z.string().nullable()
Returns its offset among the user's messages, or nil when the user has no session that is connected or may resume.
]]
-- @include time
-- @include transaction
local now = now_ms()
local gateways, reachable = {}, false
for _, id in ipairs(redis.call('SMEMBERS', key.userSessions(userId))) do
  local window_ends = redis.call('ZSCORE', key.detached(), id)
  if not window_ends then
    local gateway = redis.call('HGET', key.session(id), 'gatewayId')
    if gateway then
      gateways[gateway] = true
      reachable = true
    end
  elseif tonumber(window_ends) > now then
    reachable = true
  end
end
if not reachable then return nil end
-- The messages carry their offset, so it is chosen here: the next millisecond, or the next number in that of the newest message.
local ms, number = string.match(last_offset(key.inbox(userId)), '^(%d+)-(%d+)$')
local offset = tonumber(ms) < now and string.format('%d-0', now) or string.format('%s-%d', ms, number + 1)
-- The newest messages that are maxInboxBytes together, and this one whatever its size.
local kept, bytes = 1, #message
for _, entry in ipairs(redis.call('XREVRANGE', key.inbox(userId), '+', '-', 'COUNT', keptMessagesPerUser - 1)) do
  bytes = bytes + #entry[2][2]
  if bytes > maxInboxBytes then break end
  kept = kept + 1
end
append(key.inbox(userId), kept, message, { id = offset, ttl = messagesKeptSeconds, exact = true })
for gateway in pairs(gateways) do
  append(key.gatewayStream(gateway), maxStreamLength,
    '{"type":"user_message","userId":"' .. userId .. '","seq":"' .. offset .. '","message":' .. message .. '}', { ttl = idleStreamSeconds })
end
commit()
return offset

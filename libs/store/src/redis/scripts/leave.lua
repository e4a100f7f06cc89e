--[[
Takes a member out of a room with all that it holds, and the room out of its session's rooms; appends participant_left. With
`banSeconds` above 0 the user `banUser` may not join the room for so long, and the members of its other sessions leave as well; a room
keeps maxBans, those that end last.
@args roomId participantId reason trace banUser banSeconds
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the participant is not in the room.
]]
-- @include leave
if not stage_leave(roomId, participantId, reason, trace) then return 0 end
if tonumber(banSeconds) > 0 then
  for _, session in ipairs(redis.call('SMEMBERS', key.userSessions(banUser))) do
    local other = participant_of(session)
    if other ~= participantId then attempt(function() stage_leave(roomId, other, reason, trace) end) end
  end
  local bans = key.bans(roomId)
  local ends = now_ms() + banSeconds * 1000
  local surplus = redis.call('ZRANGEBYSCORE', bans, '-inf', now_ms(), 'LIMIT', 0, 100)
  if redis.call('ZCARD', bans) - #surplus >= maxBans then surplus[#surplus + 1] = redis.call('ZRANGE', bans, #surplus, #surplus)[1] end
  for _, user in ipairs(surplus) do
    stage('ZREM', bans, user)
  end
  stage('ZADD', bans, ends, banUser)
  stage('EXPIRE', bans, math.max(redis.call('TTL', bans), tonumber(banSeconds)))
end
stage_reservations()
commit()
return 1

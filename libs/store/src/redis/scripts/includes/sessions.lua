-- @include room
-- Stages the state of a session's connection in each of its rooms, where it differs, with its event.
local function stage_connection(session, connection)
  local participant = participant_of(session)
  for _, room in ipairs(redis.call('SMEMBERS', key.sessionRooms(session))) do
    local reconnecting = redis.call('SISMEMBER', key.reconnecting(room), participant) == 1
    if reconnecting ~= (connection == 'reconnecting') then
      stage(reconnecting and 'SREM' or 'SADD', key.reconnecting(room), participant)
      append_event(room, '{"type":"participant_connection","from":"system","payload":{"participantId":"' .. participant
        .. '","connection":"' .. connection .. '"}}')
    end
  end
end

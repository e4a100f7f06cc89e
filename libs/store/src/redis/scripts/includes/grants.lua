-- @include leave
-- Replaces the grants of a session's members, whose rooms it leaves when `room_claim` and `grants` do not cover them. Publications end
-- and retained values end with the grant `publish`. `trace` is as for stage_leave.
local function stage_grants(session, room_claim, grants, trace)
  local participant = participant_of(session)
  local new = room_grants(grants)
  local bitrate = string.match(new, 'bitrate=(%d+)')
  local list = json_list(new == '-' and {} or split((string.gsub(new, ',bitrate=%d+', ''))))
  local rights = '"grants":' .. list .. (bitrate and ',"maxPublishBitrate":' .. bitrate or '')
  for _, room in ipairs(redis.call('SMEMBERS', key.sessionRooms(session))) do
    attempt(function()
      local member = redis.call('HGET', key.members(room), participant)
      if not member or grants_of_member(member) == new and may_be_in(room, room_claim, grants) then return end
      if not may_be_in(room, room_claim, grants) then
        stage_leave(room, participant, 'removed', trace)
        return
      end
      stage('HSET', key.members(room), participant, member_record(member, { grants = new }))
      append_event(room, '{"type":"grants_changed","from":"system","payload":{"participantId":"' .. participant .. '",' .. rights .. '}' .. trace .. '}')
      if has_grant(new, 'publish') then
        stage_unbar(room, participant)
      else
        stage_bar(room, participant)
        for _, id in ipairs(redis.call('SMEMBERS', key.publicationsOf(room, participant))) do
          stage_unpublish(room, participant, id)
        end
      end
      local settings = decode(redis.call('GET', key.room(room)) or '')
      if settings and media_mode(settings, room) == 'peer' and not may_call_directly(new) then stage_sfu_mode(room) end
    end)
  end
end

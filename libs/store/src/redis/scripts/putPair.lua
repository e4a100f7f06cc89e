--[[
Appends an event of a peer-to-peer negotiation and, unless `update` is empty, replaces the record of the pair (`<state> <record>`).
@args roomId pair one other expectedVersion update event
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when another version is there, one of the two has left, or the room's media goes through the SFU.
]]
-- @include room
local room = redis.call('GET', key.room(roomId))
if not room or media_mode(cjson.decode(room), roomId) ~= 'peer' then return 0 end
if redis.call('HEXISTS', key.members(roomId), one) == 0 or redis.call('HEXISTS', key.members(roomId), other) == 0 then return 0 end
local version = string.match(redis.call('HGET', key.pairs(roomId), pair) or '0 ', '^(%d+) ')
if version ~= expectedVersion then return 0 end
if update ~= '' then stage('HSET', key.pairs(roomId), pair, string.format('%d', version + 1) .. ' ' .. update) end
append_event(roomId, event)
commit()
return 1

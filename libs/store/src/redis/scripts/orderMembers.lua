--[[
Restores a part of the order of a room's members, which earlier versions do not keep: members without a position get the last one, and
positions without a member are removed. Reads about a hundred of each, from `cursor` and behind `position`; "0" begins, "-" reads none.
@args roomId cursor position
@result z.tuple([z.string(), z.string()])
Returns {the next cursor, the next position}, "-" at the end of each.
]]
-- @include pages
local next_cursor, next_position = '-', '-'
if cursor ~= '-' then
  local page = redis.call('HSCAN', key.members(roomId), cursor, 'COUNT', 100)
  local last = last_position(roomId)
  for index = 1, #page[2], 2 do
    if not redis.call('ZSCORE', key.joinOrder(roomId), page[2][index]) then
      last = last + 1
      stage('ZADD', key.joinOrder(roomId), last, page[2][index])
    end
  end
  if page[1] ~= '0' then next_cursor = page[1] end
end
if position ~= '-' then
  local found = redis.call('ZRANGEBYSCORE', key.joinOrder(roomId), '(' .. position, '+inf', 'WITHSCORES', 'LIMIT', 0, 100)
  for index = 1, #found, 2 do
    if redis.call('HEXISTS', key.members(roomId), found[index]) == 0 then stage('ZREM', key.joinOrder(roomId), found[index]) end
  end
  if #found == 200 then next_position = found[200] end
end
commit()
return { next_cursor, next_position }

--[[
Retains a message in place of the previous one of its field, see keys.ts, unless its publisher is barred. `unnamed` is the field that
earlier versions use, which do not name the user.
@args roomId publisherId field unnamed message
@result z.null()
]]
-- @include transaction
if redis.call('ZSCORE', key.barred(roomId), publisherId) then return nil end
if field ~= unnamed then stage('HDEL', key.retained(roomId), unnamed) end
stage('HSET', key.retained(roomId), field, message)
stage('EXPIRE', key.retained(roomId), retainedSeconds)
commit()
return nil

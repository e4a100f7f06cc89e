--[[
Replaces the claims of a session that has not ended.
@args sessionId ...claims
@result z.null()
]]
-- @include transaction
if redis.call('EXISTS', key.session(sessionId)) == 1 then
  for index = 1, #claims, 2 do
    stage('HSET', key.session(sessionId), claims[index], claims[index + 1])
  end
  commit()
end

--[[
@args resumeHash
@result z.union([z.literal(0), z.literal(1)])
Returns 1 when resumeSession would find a session now.
]]
-- @include time
local id = redis.call('GET', key.resume(resumeHash))
if not id or redis.call('EXISTS', key.session(id)) == 0 then return 0 end
local window_ends = redis.call('ZSCORE', key.detached(), id)
return (window_ends and tonumber(window_ends) <= now_ms()) and 0 or 1

--[[
Refuses tokens of a user, or of all (`*`), that were issued before a time, s. A later time that is set already stays.
@args whose issuedBefore keptSeconds
@result z.null()
]]
-- @include transaction
local before = redis.call('GET', key.cutoff(whose))
if before and tonumber(before) >= tonumber(issuedBefore) then return nil end
stage('SET', key.cutoff(whose), issuedBefore)
stage('EXPIRE', key.cutoff(whose), keptSeconds)
commit()
return nil

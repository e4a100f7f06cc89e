--[[
Takes a lease that nobody holds.
@args name holder ms
@result z.number().nullable()
Returns its term, a number that rises with every holder, or nil when it is held.
]]
-- @include transaction
if redis.call('EXISTS', key.lease(name)) == 1 then return nil end
local term = tonumber(redis.call('HGET', key.leaseTerms(), name) or '0') + 1
stage('SET', key.lease(name), holder, 'PX', ms)
stage('HSET', key.leaseTerms(), name, string.format('%d', term))
commit()
return term

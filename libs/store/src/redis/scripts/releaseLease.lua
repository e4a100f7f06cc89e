--[[
Releases a lease; one that another process holds stays.
@args name holder
@result z.null()
]]
if redis.call('GET', key.lease(name)) == holder then redis.call('DEL', key.lease(name)) end

--[[
Gives a lease back; one that another holds is left alone.
@args name holder
@result z.null()
]]
if redis.call('GET', key.lease(name)) == holder then redis.call('DEL', key.lease(name)) end

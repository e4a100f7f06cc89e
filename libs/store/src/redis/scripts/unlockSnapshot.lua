--[[
Releases the lock of a snapshot; one that another process holds stays.
@args name holder
@result z.null()
]]
if redis.call('GET', key.snapshotLock(name)) == holder then redis.call('DEL', key.snapshotLock(name)) end

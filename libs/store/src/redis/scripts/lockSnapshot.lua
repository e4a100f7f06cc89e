--[[
Takes the lock of a snapshot that nobody holds.
@args name holder ms
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when it is held.
]]
if redis.call('EXISTS', key.snapshotLock(name)) == 1 then return 0 end
redis.call('SET', key.snapshotLock(name), holder, 'PX', ms)
return 1

--[[
@args name holder ms
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the lock is not the holder's any more.
]]
if redis.call('GET', key.snapshotLock(name)) ~= holder then return 0 end
return redis.call('PEXPIRE', key.snapshotLock(name), ms)

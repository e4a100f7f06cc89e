--[[
Writes a snapshot whose build began `ageMs` ago.
@args name holder version ageMs text keptMs
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when the lock is not the holder's: nothing is written.
]]
-- @include time
if redis.call('GET', key.snapshotLock(name)) ~= holder then return 0 end
redis.call('HSET', key.snapshot(name), 'version', version, 'began', string.format('%d', now_ms() - tonumber(ageMs)), 'text', text)
redis.call('PEXPIRE', key.snapshot(name), tonumber(keptMs))
return 1

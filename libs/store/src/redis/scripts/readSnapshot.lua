--[[
@args name known
@result z.tuple([z.string(), z.string(), z.string()]).nullable()
Returns {version, age in ms, text}, or nil when there is none or it has the version `known`.
]]
-- @include time
local version, began = unpack(redis.call('HMGET', key.snapshot(name), 'version', 'began'))
if not version or version == known then return nil end
return { version, string.format('%d', now_ms() - tonumber(began)), redis.call('HGET', key.snapshot(name), 'text') }

--[[
Reads the messages to a user that are kept, of which there are keptMessagesPerUser at most, and fewer when these are more than maxInboxBytes.
@args userId
@result z.tuple([z.array(z.tuple([z.string(), z.array(z.string())])), z.union([z.literal(0), z.literal(1)])])
Returns {entries of the inbox, 1 when some were trimmed since it was empty}.
]]
local inbox = key.inbox(userId)
if redis.call('EXISTS', inbox) == 0 then return { {}, 0 } end
local info, fields = redis.call('XINFO', 'STREAM', inbox), {}
for index = 1, #info, 2 do
  fields[info[index]] = info[index + 1]
end
return { redis.call('XRANGE', inbox, '-', '+'), fields['entries-added'] > fields['length'] and 1 or 0 }

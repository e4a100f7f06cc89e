import { dataField, maxStreamBytes } from './event-log.ts';

/**
 * Lua functions for scripts that append to streams. `append(key, entries to keep, data)` adds an entry, trims as `keptEntries` says,
 * and, atomically, publishes it on the channel with the key's name as `<offset> <previous offset> <data>`. It returns {offset,
 * previous offset}.
 */
export const streamLua = `
local function last_offset(stream)
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return newest[1] and newest[1][1] or '0-0'
end

local function append(stream, kept, data)
  local previous = last_offset(stream)
  local offset = redis.call('XADD', stream, 'MAXLEN', '~', math.min(kept, math.ceil(${maxStreamBytes} / #data)), '*', '${dataField}', data)
  redis.call('PUBLISH', stream, offset .. ' ' .. previous .. ' ' .. data)
  return {offset, previous}
end
`;

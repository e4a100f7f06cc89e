--[[
The state of a node as placement reads it. A node that is active is `candidate` when its version is observed, and `cordoned` when
its version is excluded, or another one is observed; see sideOf in canary-side.ts. Versions of placement before it assign nobody to a node
in the state `candidate`.
]]
local function placement_state(state, version)
  if state ~= 'active' then return state end
  local stable = redis.call('HGET', key.canary(), 'stable')
  if not stable then return state end
  local excluded = redis.call('HGET', key.canary(), 'excluded') or ''
  if string.find(excluded, ' ' .. version .. ' ', 1, true) then return 'cordoned' end
  if version == stable or version == redis.call('HGET', key.canary(), 'previous') then return state end
  return version == redis.call('HGET', key.canary(), 'candidate') and 'candidate' or 'cordoned'
end

--[[
Corrects a page of the index of the nodes, from this place on.
@args from
@result z.tuple([z.number(), z.number()])
Returns {number of entries that were wrong, first place of the next page or -1}.
]]
-- @include nodes
local wrong, more = repair_index(tonumber(from))
return { wrong, more and from + nodesPerRepair or -1 }

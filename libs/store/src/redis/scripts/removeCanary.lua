--[[
@args term
@result z.null()
]]
-- @include transaction
-- @include terms
if is_stale(term) then return end
delete(key.canary())
commit()

--[[
Returns why openSession would refuse a token at this moment, or 'openable'.
@args userId tokenId issuedAt
@result z.enum(['openable', 'TOKEN_REVOKED', 'TOKEN_REPLAYED', 'TOO_MANY_SESSIONS'])
]]
-- @include openings
return opening_problem(userId, issuedAt, tokenId) or 'openable'

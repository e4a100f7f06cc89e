-- Whether a token is refused because it was issued before the time that revokeTokens set for its user, or for all.
local function is_revoked(user, issued_at)
  for _, whose in ipairs({ user, '*' }) do
    local before = redis.call('GET', key.cutoff(whose))
    if before and tonumber(issued_at) < tonumber(before) then return true end
  end
  return false
end

-- A token is accepted once. Its id is kept until it has expired.
local function is_used(token) return redis.call('EXISTS', key.usedToken(token)) == 1 end

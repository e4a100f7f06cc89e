-- Whether an order comes from a leader after whom another one was elected. `term` is empty for an order of an operator.
local function is_stale(term)
  return term ~= '' and tonumber(term) < tonumber(redis.call('HGET', key.leaseTerms(), plannerLease) or '0')
end

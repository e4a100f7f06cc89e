--[[
Writes the canary, and removes its order if that is `done`. `previous` is empty without one, `candidate` unless it is observed, `excluded` are versions, each
between spaces.
@args term record evidence stable previous candidate share excluded done
@result z.union([z.literal(0), z.literal(1)])
Returns 0 when another autoscaler has led since `term`: nothing is written.
]]
-- @include transaction
-- @include terms
if is_stale(term) then return 0 end
stage('HSET', key.canary(), 'record', record)
stage('HSET', key.canary(), 'evidence', evidence)
stage('HSET', key.canary(), 'stable', stable)
stage('HSET', key.canary(), 'previous', previous)
stage('HSET', key.canary(), 'candidate', candidate)
stage('HSET', key.canary(), 'share', share)
stage('HSET', key.canary(), 'excluded', excluded)
if done ~= '' and redis.call('HGET', key.canary(), 'order') == done then stage('HDEL', key.canary(), 'order') end
commit()
return 1

-- @include transaction
-- @include acceptance
local function stage_use(token, seconds)
  stage('SET', key.usedToken(token), '1')
  stage('EXPIRE', key.usedToken(token), seconds)
end

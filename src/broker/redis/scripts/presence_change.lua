-- Applies changes of one lease to a room's presence and announces what they changed, in one payload.
--
-- KEYS  1 the room's presence
-- ARGV  1 not_after in Unix ms  2 lease  3 expiry in ms  4 name of the room's payloads  5 users of a big room
--       6 changes that are a long list  then for each user: id, what is said about it ('' = gone)
-- Returns {changes applied, users in the room, error or ''}; applied is -1 for a call that came too late.
--
-- A full Redis refuses a write in the middle: what was written until then is announced and stays, the rest is the
-- caller's to repeat.

if is_late(ARGV[1]) then return { -1, 0, '' } end

local presence, lease = KEYS[1], '"' .. ARGV[2] .. '"'
local joined, left, renamed = {}, {}, {}
local applied, failure = 0, ''

local function here(id, about, old, leases)
  local held = old and string.find(leases, lease, 1, true)
  if held and old == about then return nil end
  if not old then
    leases = lease
  elseif not held then
    leases = leases .. ',' .. lease
  end
  local answer = redis.pcall('HSET', presence, id, joined_parts(about, leases))
  if type(answer) == 'table' and answer.err then return answer.err end
  if not old then
    joined[#joined + 1] = user(id, about)
  elseif old ~= about then
    renamed[#renamed + 1] = user(id, about)
  end
end

local function gone(id, old, leases)
  if not old then
    redis.call('HDEL', presence, id)
    return nil
  end
  if not string.find(leases, lease, 1, true) then return nil end
  local rest = without(leases, lease)
  if rest == '' then
    redis.call('HDEL', presence, id)
    left[#left + 1] = cjson.encode(id)
    return nil
  end
  local answer = redis.pcall('HSET', presence, id, joined_parts(old, rest))
  if type(answer) == 'table' and answer.err then return answer.err end
end

for index = 7, #ARGV, 2 do
  local id, about = ARGV[index], ARGV[index + 1]
  local old, leases = parts(redis.call('HGET', presence, id))
  local err
  if about == '' then
    err = gone(id, old, leases)
  else
    err = here(id, about, old, leases)
  end
  if err then
    failure = err
    break
  end
  applied = applied + 1
end

local count = redis.call('HLEN', presence)
if count > 0 then redis.call('PEXPIRE', presence, ARGV[3]) end
if #joined + #left + #renamed > 0 then
  announce(ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), joined, left, renamed, count)
end
return { applied, count, failure }

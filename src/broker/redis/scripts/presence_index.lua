-- Takes rooms that none of the node's users is in any more out of its lease's index.
--
-- KEYS  1 the lease's index
-- ARGV  1 not_after in Unix ms  then the rooms
-- Returns 1, or -1 for a call that came too late: the room may be in use again.

local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) > tonumber(ARGV[1]) then return -1 end
for index = 2, #ARGV do
  redis.call('SREM', KEYS[1], ARGV[index])
end
return 1

-- Moves the expiry of a room with members: log, meta and presence get the same moment, so that none outlives another.
--
-- KEYS  1 log  2 meta  3 presence
-- ARGV  1 how long the room is kept, in ms
-- Returns 1.

local time = redis.call('TIME')
local moment = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1]))
for index = 1, #KEYS do
  redis.call('PEXPIREAT', KEYS[index], moment)
end
return 1

-- Notes that a node lives, and forgets those that nobody has seen for long.
--
-- KEYS  1 nodes: hash of `seen:<node>`, when it was seen last, and `grant:<node>`, until when it has a grant; in ms
-- ARGV  1 the node  2 for how long a node counts after it was seen, in ms
-- Returns 1.

local nodes, keep = KEYS[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', nodes, 'seen:' .. ARGV[1], string.format('%d', now))
redis.call('PEXPIRE', nodes, 2 * keep)
if redis.call('HLEN', nodes) > 64 then
  local page = redis.call('HSCAN', nodes, 0, 'COUNT', 1000)[2]
  for index = 1, #page, 2 do
    local life = string.sub(page[index], 1, 5) == 'seen:' and keep or 0
    if tonumber(page[index + 1]) + life < now then
      redis.call('HDEL', nodes, page[index])
    end
  end
end
return 1

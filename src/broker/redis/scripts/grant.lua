-- Gives a node the grant to be unready, or renews it, unless as many others as may have one.
--
-- KEYS  1 nodes: hash of `seen:<node>`, when it was seen last, and `grant:<node>`, until when it has a grant; in ms
-- ARGV  1 the node  2 how long a grant stands, in ms  3 for how long a node counts after it was seen, in ms
-- Returns whether it is given, how many others have one, how many nodes count with the one that asks.

local nodes, own = KEYS[1], ARGV[1]
local life, keep = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local given, seen = 0, 1
local cursor = '0'
repeat
  local answer = redis.call('HSCAN', nodes, cursor, 'COUNT', 1000)
  cursor = answer[1]
  local page = answer[2]
  for index = 1, #page, 2 do
    local name, at = page[index], tonumber(page[index + 1])
    if name == 'seen:' .. own or name == 'grant:' .. own then
      -- The one that asks counts once, whenever it was seen last.
    elseif string.sub(name, 1, 5) == 'seen:' then
      if at + keep >= now then seen = seen + 1 end
    elseif at > now then
      given = given + 1
    end
  end
until cursor == '0'
if given >= math.max(1, math.floor(seen / 4)) then
  return {0, given, seen}
end
redis.call('HSET', nodes, 'grant:' .. own, string.format('%d', now + life))
redis.call('PEXPIRE', nodes, 2 * keep)
return {1, given, seen}

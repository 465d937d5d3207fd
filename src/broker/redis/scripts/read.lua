-- Reads a part of a room's log and what judges positions in it, all at one moment.
--
-- KEYS  1 log, 2 meta
-- ARGV  1 command: XRANGE or XREVRANGE, 2 and 3 its bounds, 4 how many entries at most
--
-- Answers {layout, chain, first seq kept, end, entries}; with a layout above this version's nothing else. Chain and
-- numbers are text, first and end are 0 where there are none, entries are as the command answers them.

local log, meta = KEYS[1], KEYS[2]
local known = redis.call('HMGET', meta, 'v', 'epoch', 'seq', 'chain')
if (tonumber(known[1]) or 0) > LAYOUT then
  return { known[1] }
end
local seq = known[2] and tonumber(known[3])
local chain = seq and known[4]

local last, first, failure = ends_of(log)
if failure then
  return failure
end
local entries = last and redis.call(ARGV[1], log, ARGV[2], ARGV[3], 'COUNT', ARGV[4]) or {}
return {
  tostring(LAYOUT),
  chain or chain_text(last and rebuilt_from(log) or {}),
  first and string.match(first, '^%d+') or '0',
  integer(last or seq or 0),
  entries,
}

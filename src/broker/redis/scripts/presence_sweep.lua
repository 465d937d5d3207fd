-- Drops an ended lease from one page of a room's presence and announces the users that no lease holds any more.
--
-- KEYS  1 the room's presence
-- ARGV  1 lease  2 name of the room's payloads  3 users of a big room  4 changes that are a long list
--       5 cursor of the page  6 users of a page, about  7 '1' if a big room may be told of this page
-- Returns {cursor of the next page, users left, error or ''}; the cursor is '0' after the last page.

local presence, lease = KEYS[1], '"' .. ARGV[1] .. '"'
local left, failure = {}, ''
local page = redis.call('HSCAN', presence, ARGV[5], 'COUNT', ARGV[6])
local fields = page[2]

for index = 1, #fields, 2 do
  local id, old, leases = fields[index], parts(fields[index + 1])
  if old and string.find(leases, lease, 1, true) then
    local rest = without(leases, lease)
    if rest == '' then
      -- A page may name a user twice.
      if redis.call('HDEL', presence, id) == 1 then left[#left + 1] = cjson.encode(id) end
    else
      local answer = redis.pcall('HSET', presence, id, joined_parts(old, rest))
      if type(answer) == 'table' and answer.err then failure = answer.err end
    end
  end
end

-- A big room hears of pages in the middle only now and then, but always of the last one.
local count, big = redis.call('HLEN', presence), tonumber(ARGV[3])
local is_last, is_first = page[1] == '0', ARGV[5] == '0'
local is_told = #left > 0 and (count <= big or ARGV[7] == '1')
if is_told or (is_last and (#left > 0 or not is_first)) then
  announce(ARGV[2], big, tonumber(ARGV[4]), {}, left, {}, count)
end
return { page[1], #left, failure }

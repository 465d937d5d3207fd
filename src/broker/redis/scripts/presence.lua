-- What the presence scripts share; `presence_change.lua` and `presence_sweep.lua` follow in the same chunk.
--
-- A room's presence is one hash: user id -> {<members of the user but its id>,"leases":["<lease>",...]}. `leases`
-- stands last and holds at least one, so that values are taken apart as text: what a newer node writes about a user
-- passes through untouched. A value of another form counts as none.

-- Returns what a value says about the user, and its leases; nil for another form. A quote within a JSON string is
-- escaped, so the last `,"leases":[` is no part of a name.
local function parts(value)
  if not value then return nil end
  return string.match(value, '^{(.+),"leases":%[(.+)%]}$')
end

local function joined_parts(about, leases)
  return '{' .. about .. ',"leases":[' .. leases .. ']}'
end

-- Returns the leases without one of them.
local function without(leases, lease)
  local rest = {}
  for other in string.gmatch(leases, '"[^"]*"') do
    if other ~= lease then rest[#rest + 1] = other end
  end
  return table.concat(rest, ',')
end

local function user(id, about)
  return '{"id":' .. cjson.encode(id) .. ',' .. about .. '}'
end

-- Tells all nodes what changed. A big room gets only the count where the list would be long.
local function announce(name, big, long, joined, left, renamed, count)
  if count > big and #joined + #left + #renamed > long then
    joined, left, renamed = {}, {}, {}
  end
  redis.call('PUBLISH', name, '1x{"type":"presence","joined":[' .. table.concat(joined, ',')
    .. '],"left":[' .. table.concat(left, ',') .. '],"renamed":[' .. table.concat(renamed, ',')
    .. '],"count":' .. string.format('%d', count) .. '}')
end

-- Returns true if the caller no longer waits for this call: a Redis that was stopped runs what it had received.
local function is_late(not_after)
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) > tonumber(not_after)
end

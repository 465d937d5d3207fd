-- What both scripts of a room know: the layout of its keys. Stands before publish.lua and read.lua.
--
-- log   stream; id <seq>-0; fields e (epoch), at (Unix ms), m (the object as its publisher wrote it)
-- meta  hash; v (layout), epoch, chain ("epoch first epoch first …", oldest first), lineage, seq, at

local LAYOUT = 1
local CHAIN_LENGTH = 8

-- Numbers above 10^14 lose digits in tostring.
local function integer(number)
  return string.format('%.0f', number)
end

local function seq_of(id)
  return tonumber(string.match(id, '^%d+'))
end

-- The log's last-generated-id, which trimming and deleting leave alone, and the id of its first entry: XINFO knows both
-- and costs as much as all other reads together. Nil if there is no log; an error reply as third if it is something
-- else.
local function ends_of(log)
  local info = redis.pcall('XINFO', 'STREAM', log)
  if info.err then
    if string.find(info.err, 'no such key', 1, true) then
      return nil
    end
    return nil, nil, info
  end
  local last, first
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = seq_of(info[i + 1])
    elseif info[i] == 'first-entry' then
      first = info[i + 1] and info[i + 1][1]
    end
  end
  return last, first
end

local function field_of(entry, name)
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == name then
      return fields[i + 1]
    end
  end
  return nil
end

-- The chain that the kept entries show, as a list of {epoch, first}. Entries without a usable epoch are passed over.
local function rebuilt_from(log)
  local chain, from = {}, '-'
  repeat
    local page = redis.call('XRANGE', log, from, '+', 'COUNT', 100)
    for _, entry in ipairs(page) do
      local epoch, last = field_of(entry, 'e'), chain[#chain]
      if epoch and string.find(epoch, '^%S+$') and #epoch <= 64 and not (last and last[1] == epoch) then
        chain[#chain + 1] = { epoch, seq_of(entry[1]) }
      end
    end
    from = page[1] and '(' .. page[#page][1]
  until #page < 100
  return chain
end

local function chain_of(text)
  local chain = {}
  for epoch, first in string.gmatch(text, '(%S+) (%d+)') do
    chain[#chain + 1] = { epoch, tonumber(first) }
  end
  return chain
end

local function chain_text(chain)
  local words = {}
  for i = math.max(1, #chain - CHAIN_LENGTH + 1), #chain do
    words[#words + 1] = chain[i][1] .. ' ' .. integer(chain[i][2])
  end
  return table.concat(words, ' ')
end

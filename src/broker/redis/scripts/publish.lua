-- Numbers a batch of messages of one room, keeps them and publishes them: all of it, or nothing.
--
-- KEYS  1 log, 2 meta, 3 and 4 the dedupe hashes d0 and d1
-- ARGV  1 not_after: Unix ms by the clock of Redis; run later, the call writes nothing
--       2 lineage that the wire was opened under
--       3 fresh epoch, used if this call must begin one
--       4 name to publish under
--       5 history.entries
--       6 history.keep in ms
--       7 limits.dedupe_window in ms
--       8 number of positions that the node has delivered; then for each: epoch, seq
--       then for each message: dedupe field (author and key), hash of the text, m
--
-- Answers one string per message, in order:
--       +<epoch> <seq> <at>   it got this number
--       =<epoch> <seq> <at>   an earlier one with the same author, key and text has it
--       !<word>               refused: key_reused, redis_full, timeout, newer_layout

-- True in the text for a Cluster.
local CLUSTER = false

local log, meta = KEYS[1], KEYS[2]
local delivered = tonumber(ARGV[8])
local before = 8 + 2 * delivered
local count = (#ARGV - before) / 3

local function refuse_all(word)
  local answers = {}
  for i = 1, count do
    answers[i] = word
  end
  return answers
end

-- Pass 1 only reads.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if now > tonumber(ARGV[1]) then
  return refuse_all('!timeout')
end

local known = redis.call('HMGET', meta, 'v', 'epoch', 'seq', 'at', 'lineage')
if (tonumber(known[1]) or 0) > LAYOUT then
  return refuse_all('!newer_layout')
end
local seq, at_before = tonumber(known[3]), tonumber(known[4]) or 0
local has_meta = known[2] and seq

local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local last = newest and seq_of(newest[1])
if last ~= seq then
  local exact, _, failure = ends_of(log)
  if failure then
    return failure
  end
  last = exact
  at_before = math.max(at_before, newest and tonumber(field_of(newest, 'at')) or 0)
end
local at = math.max(at_before, now)

-- Window n writes into d0 or d1 by its parity, and what it wrote expires with the end of window n + 1.
local window = tonumber(ARGV[7])
local turn = math.floor(now / window)
local current = { key = KEYS[3 + turn % 2], expiry = (turn + 2) * window }
local previous = { key = KEYS[4 - turn % 2], expiry = (turn + 1) * window }

local fields = {}
for i = 1, count do
  fields[i] = ARGV[before + 3 * i - 2]
end
current.values = redis.call('HMGET', current.key, unpack(fields))
previous.values = redis.call('HMGET', previous.key, unpack(fields))

local answers, fresh, index_of, repeats = {}, {}, {}, {}
for i = 1, count do
  local field, hash = fields[i], ARGV[before + 3 * i - 1]
  local holder = current.values[i] and current or previous
  local stored_hash, result, stored_at = string.match(holder.values[i] or '', '^(%S+) (.+ (%d+))$')
  if result and tonumber(stored_at) < (turn - 1) * window then
    -- Keys expire by the time at which the call began, which may lie before a window that TIME says has come.
    result = nil
  end
  local earlier = index_of[field]
  if result then
    holder.hit = true
    answers[i] = stored_hash == hash and '=' .. result or '!key_reused'
  elseif not earlier then
    index_of[field] = i
    fresh[#fresh + 1] = i
  elseif ARGV[before + 3 * earlier - 1] == hash then
    repeats[i] = earlier
  else
    answers[i] = '!key_reused'
  end
end

-- The epoch and the first number of what is new, and the chain if a new epoch begins.
local function number()
  local is_new = not (last and has_meta) or known[5] ~= ARGV[2] or last < seq
  for i = 9, before, 2 do
    is_new = is_new or (ARGV[i] == known[2] and last < tonumber(ARGV[i + 1]))
  end
  local first = (last or has_meta and seq or 0) + 1
  if not is_new then
    return known[2], first
  end
  local text = has_meta and redis.call('HMGET', meta, 'chain')[1]
  local chain = text and chain_of(text) or rebuilt_from(log)
  while chain[1] and chain[#chain][2] >= first do
    chain[#chain] = nil
  end
  chain[#chain + 1] = { ARGV[3], first }
  return ARGV[3], first, chain
end

-- Pass 2 appends. A Redis without memory refuses the first write of a script and no later one, so the first is the one
-- that may fail, and before it nothing is written.

local epoch, first, chain, payload
local time_text = integer(at)

local function append()
  epoch, first, chain = number()
  payload = { '1e' .. epoch .. '\n' }
  for n, i in ipairs(fresh) do
    local text, m = integer(first + n - 1), ARGV[before + 3 * i]
    if n > 1 then
      redis.call('XADD', log, text .. '-0', 'e', epoch, 'at', time_text, 'm', m)
    else
      local done = redis.pcall(
        'XADD', log, 'MAXLEN', '~', ARGV[5], text .. '-0', 'e', epoch, 'at', time_text, 'm', m
      )
      if type(done) == 'table' and done.err then
        return done
      end
    end
    answers[i] = '+' .. epoch .. ' ' .. text .. ' ' .. time_text
    payload[2 * n] = text .. ' ' .. time_text .. ' ' .. #m .. '\n'
    payload[2 * n + 1] = m
  end
end

if #fresh > 0 then
  local failed = append()
  if failed and string.find(failed.err, 'equal or smaller', 1, true) then
    -- Entries above the newest one were deleted: only XINFO knows of them.
    last = ends_of(log)
    failed = append()
  end
  if failed and not string.find(failed.err, 'OOM', 1, true) then
    return failed
  end
  if failed then
    for _, i in ipairs(fresh) do
      answers[i] = '!redis_full'
    end
    fresh = {}
  end
end
for i, earlier in pairs(repeats) do
  answers[i] = string.gsub(answers[earlier], '^%+', '=')
end

-- Pass 3 writes down what was done. Expiries are set once a second and so are a second longer than asked for. A hit
-- writes one too, so that a wait for replicas covers it.

if #fresh > 0 then
  local text = integer(first + #fresh - 1)
  if chain then
    redis.call(
      'HSET', meta, 'v', LAYOUT, 'epoch', epoch, 'chain', chain_text(chain), 'lineage', ARGV[2], 'seq', text, 'at',
      time_text
    )
  else
    redis.call('HSET', meta, 'seq', text, 'at', time_text)
  end
  local written = {}
  for n, i in ipairs(fresh) do
    written[2 * n - 1] = fields[i]
    written[2 * n] = ARGV[before + 3 * i - 1] .. ' ' .. string.sub(answers[i], 2)
  end
  redis.call('HSET', current.key, unpack(written))
  if CLUSTER and redis.call('EXISTS', previous.key) == 0 then
    -- While a slot moves, a call runs only where all its keys are: one that does not exist would keep it out.
    redis.call('HSET', previous.key, '', '')
    previous.hit = true
  end
  if chain or math.floor(now / 1000) ~= math.floor(at_before / 1000) or math.floor(at_before / window) ~= turn then
    local expiry = integer(now + tonumber(ARGV[6]) + 1000)
    redis.call('PEXPIREAT', log, expiry)
    redis.call('PEXPIREAT', meta, expiry)
    current.hit = true
  end
  redis.call('PUBLISH', ARGV[4], table.concat(payload))
end
for _, hash in ipairs({ current, previous }) do
  if hash.hit then
    redis.call('PEXPIREAT', hash.key, integer(hash.expiry))
  end
end
return answers

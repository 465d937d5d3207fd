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
--       then the dedupe fields (author and key) of all messages, the hashes of their texts, and each m
--
-- Answers one string per message, in order:
--       +<epoch> <seq> <at>   it got this number
--       =<epoch> <seq> <at>   an earlier one with the same author, key and text has it
--       !<word>               refused: key_reused, redis_full, timeout, newer_layout
--
-- Redis does nothing else while this runs, and it runs for every message: so nothing is made that one message alone
-- does not need.

-- True in the text for a Cluster.
local CLUSTER = false

local call = redis.call
local log, meta = KEYS[1], KEYS[2]
local fields = 8 + 2 * tonumber(ARGV[8])
local count = (#ARGV - fields) / 3
local hashes, ms = fields + count, fields + 2 * count

local function refuse_all(word)
  local answers = {}
  for i = 1, count do
    answers[i] = word
  end
  return answers
end

-- Pass 1 only reads.

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then
  return refuse_all('!timeout')
end

local known = call('HMGET', meta, 'v', 'epoch', 'seq', 'at', 'lineage')
if (tonumber(known[1]) or 0) > LAYOUT then
  return refuse_all('!newer_layout')
end
local seq, at_before = tonumber(known[3]), tonumber(known[4]) or 0
local has_meta = known[2] and seq

local newest = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
-- Nearly always they say the same, which then costs no pattern.
local last = newest and (newest[1] == (known[3] or '') .. '-0' and seq or seq_of(newest[1]))
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
local current, previous = KEYS[3 + turn % 2], KEYS[4 - turn % 2]
local in_current = call('HMGET', current, unpack(ARGV, fields + 1, hashes))
local in_previous = call('HMGET', previous, unpack(ARGV, fields + 1, hashes))
local hit_current, hit_previous

local answers, fresh, index_of, repeats = {}, {}, {}, nil
for i = 1, count do
  local field, hash, stored, result = ARGV[fields + i], ARGV[hashes + i], in_current[i] or in_previous[i], nil
  if stored then
    local stored_hash, rest, stored_at = string.match(stored, '^(%S+) (.+ (%d+))$')
    -- Keys expire by the time at which the call began, which may lie before a window that TIME says has come.
    if rest and tonumber(stored_at) >= (turn - 1) * window then
      result = stored_hash == hash and '=' .. rest or '!key_reused'
      hit_current = hit_current or in_current[i]
      hit_previous = hit_previous or not in_current[i]
    end
  end
  local earlier = index_of[field]
  if result then
    answers[i] = result
  elseif not earlier then
    index_of[field] = i
    fresh[#fresh + 1] = i
  elseif ARGV[hashes + earlier] == hash then
    repeats = repeats or {}
    repeats[i] = earlier
  else
    answers[i] = '!key_reused'
  end
end

-- The epoch and the first number of what is new, and the chain if a new epoch begins.
local function number()
  local is_new = not (last and has_meta) or known[5] ~= ARGV[2] or last < seq
  for i = 9, fields, 2 do
    is_new = is_new or (ARGV[i] == known[2] and last < tonumber(ARGV[i + 1]))
  end
  local first = (last or has_meta and seq or 0) + 1
  if not is_new then
    return known[2], first
  end
  local text = has_meta and call('HMGET', meta, 'chain')[1]
  local chain = text and chain_of(text) or rebuilt_from(log)
  while chain[1] and chain[#chain][2] >= first do
    chain[#chain] = nil
  end
  chain[#chain + 1] = { ARGV[3], first }
  return ARGV[3], first, chain
end

-- Pass 2 appends. A Redis without memory refuses the first write of a script and no later one, so the first is the one
-- that may fail, and before it nothing is written.

local epoch, first, chain, text
local time_text = integer(at)
local payload, written = {}, {}

local function append()
  epoch, first, chain = number()
  for n = 1, #fresh do
    local i = fresh[n]
    local m = ARGV[ms + i]
    text = integer(first + n - 1)
    if n > 1 then
      call('XADD', log, text .. '-0', 'e', epoch, 'at', time_text, 'm', m)
    else
      local done = redis.pcall(
        'XADD', log, 'MAXLEN', '~', ARGV[5], text .. '-0', 'e', epoch, 'at', time_text, 'm', m
      )
      if type(done) == 'table' and done.err then
        return done
      end
    end
    local numbered = epoch .. ' ' .. text .. ' ' .. time_text
    answers[i] = '+' .. numbered
    written[2 * n - 1] = ARGV[fields + i]
    written[2 * n] = ARGV[hashes + i] .. ' ' .. numbered
    payload[n] = text .. ' ' .. time_text .. ' ' .. #m .. '\n' .. m
  end
end

if fresh[1] then
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
for i, earlier in pairs(repeats or {}) do
  answers[i] = string.gsub(answers[earlier], '^%+', '=')
end

-- Pass 3 writes down what was done. Expiries are set once a second and so are a second longer than asked for. A hit
-- writes one too, so that a wait for replicas covers it.

if fresh[1] then
  if chain then
    call(
      'HSET', meta, 'v', LAYOUT, 'epoch', epoch, 'chain', chain_text(chain), 'lineage', ARGV[2], 'seq', text, 'at',
      time_text
    )
  else
    call('HSET', meta, 'seq', text, 'at', time_text)
  end
  call('HSET', current, unpack(written))
  if CLUSTER and call('EXISTS', previous) == 0 then
    -- While a slot moves, a call runs only where all its keys are: one that does not exist would keep it out.
    call('HSET', previous, '', '')
    hit_previous = true
  end
  if chain or math.floor(now / 1000) ~= math.floor(at_before / 1000) or math.floor(at_before / window) ~= turn then
    local expiry = integer(now + tonumber(ARGV[6]) + 1000)
    call('PEXPIREAT', log, expiry)
    call('PEXPIREAT', meta, expiry)
    hit_current = true
  end
  -- In full, since a Cluster gets another word for it.
  redis.call('PUBLISH', ARGV[4], '1e' .. epoch .. '\n' .. table.concat(payload))
end
if hit_current then
  call('PEXPIREAT', current, integer((turn + 2) * window))
end
if hit_previous then
  call('PEXPIREAT', previous, integer((turn + 1) * window))
end
return answers

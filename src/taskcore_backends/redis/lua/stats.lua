-- uses: base
-- Count. ARGV: none of its own.
-- Reply: {now, schedules, groups, paused queues, counts, late, due}: counts as HGETALL gives them
-- ('<code>:<queue>', n), late {queue, run_after} of those that are due and were not moved yet, due {queue, the
-- oldest run_after or nil, how many are not due as the clock was set back}.
-- Complexity: O(queues * priorities), up to @LATE@ tasks that nobody has moved yet, and @SAME@ of equal milliseconds.
-- KEYS: 1 layout, 2 room (base.lua).
local counts = call('HGETALL', P .. 'counts')
local late, due = {}, {}
local ids = call('ZRANGEBYSCORE', P .. 'later', '-inf', string.format('%.0f', now), 'LIMIT', 0, @LATE@)
if #ids > 0 then
  for first = 1, #ids, 1000 do
    for _, record in ipairs(call('HMGET', P .. 'tasks', unpack(ids, first, min(first + 999, #ids)))) do
      if record then
        local t = cmsgpack.unpack(record)
        late[#late + 1] = {t[F.QUEUE], t[F.RUN_AFTER]}
      end
    end
  end
end

local function text(number)
  return string.format('%.0f', number)
end

local left = @SAME@

local function look(key)
  local oldest, early = false, 0
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  while #first > 0 do
    local score = tonumber(first[2])
    local base = floor(score / @RANK@) * @RANK@
    local same = call('ZRANGEBYSCORE', key, first[2], first[2], 'LIMIT', 0, math.max(1, left))
    left = left - #same
    for _, record in ipairs(call('HMGET', P .. 'tasks', unpack(same))) do
      local at = record and tonumber(cmsgpack.unpack(record)[F.RUN_AFTER])
      if at and at <= now and (not oldest or at < oldest) then
        oldest = at
      end
    end
    local limit = base + min(floor(now / 1000) + @BEFORE_EPOCH@, @RANK@ - 1)
    early = early + call('ZCOUNT', key, '(' .. text(limit), '(' .. text(base + @RANK@))
    first = call('ZRANGEBYSCORE', key, text(base + @RANK@), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  return oldest, early
end

for i = 1, #counts, 2 do
  if string.sub(counts[i], 1, 2) == '0:' then
    local queue = string.sub(counts[i], 3)
    local one, early = look(P .. 'r:' .. queue)
    local other, more = look(P .. 'u:' .. queue)
    due[#due + 1] = {queue, one and other and min(one, other) or one or other, early + more}
  end
end
return {now, call('HLEN', P .. 'schedules'), call('HLEN', P .. 'groups'), call('SMEMBERS', P .. 'paused'), counts,
  late, due}

-- uses: base ids
-- Store new tasks that ask for nothing unusual: due at once, no expiry, no bonds, short arguments.
-- ARGV: 2 shapes {queue, priority, is_suspect}, packed; then for each task its id, the number of its shape, and what
-- of its record follows changed_at, packed.
-- Reply: '' when all are new, else 1 for each that is and 0 for each that was there already.
-- Complexity: O(n log N). Needs nothing of the other parts: this is the one call that users wait for.
-- KEYS: 1 layout, 2 room (base.lua).
local shapes = cmsgpack.unpack(ARGV[2])
local HEAD = '\220\0\@FIELD_COUNT@\0\1\0' .. string.rep(struct.pack('>Bi8', 211, now), 2)
local due = floor(now / 1000) + @BEFORE_EPOCH@
local fresh, answers, is_known = {}, {}, false
local scores, numbers = {}, {}
for i = 3, #ARGV, 3 do
  local id, number = ARGV[i], tonumber(ARGV[i + 1])
  -- The first write of all refuses when memory is short: then nothing was written.
  if call('HSETNX', P .. 'tasks', id, HEAD .. ARGV[i + 2]) == 1 then
    fresh[#fresh + 1] = id
    local entries = scores[number]
    if not entries then
      entries = {score = string.format('%.0f', min(due, @RANK@ - 1) - shapes[number][2] * @RANK@)}
      scores[number] = entries
    end
    entries[#entries + 1] = entries.score
    entries[#entries + 1] = id
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
    is_known = true
  end
end
for number, entries in pairs(scores) do
  local shape = shapes[number]
  local queue = shape[1]
  local key = P .. (shape[3] and 'u:' or 'r:') .. queue
  for first = 1, #entries, 2000 do
    call('ZADD', key, unpack(entries, first, min(first + 1999, #entries)))
  end
  call('HINCRBY', P .. 'counts', '0:' .. queue, #entries / 2)
  call('ZADD', P .. 'm:' .. queue, 0, '0')
end
if #fresh > 0 then
  index_ids(fresh)
  if not layout then
    call('SET', KEYS[1], '@LAYOUT@')
  end
end
return is_known and answers or ''

-- uses: base schedules
-- Return documents of schedules. ARGV: 2 'name' or 'slot', 3 the member behind which to begin, or the last slot,
-- 4 how many, 5 how many to pass over. Reply: {id, document} for each. Complexity: O(log N + n).
-- KEYS: 1 layout, 2 room (base.lua).
local ids = {}
if ARGV[2] == 'name' then
  for _, member in ipairs(call('ZRANGEBYLEX', P .. 'snames', ARGV[3], '+', 'LIMIT', ARGV[5], ARGV[4])) do
    ids[#ids + 1] = string.sub(member, string.find(member, '\0', 1, true) + 1)
  end
else
  local last = tonumber(ARGV[3])
  local entries = call('ZRANGE', P .. 'slots', ARGV[5], ARGV[5] + ARGV[4] - 1, 'WITHSCORES')
  for i = 1, #entries, 2 do
    if tonumber(entries[i + 1]) <= last then
      ids[#ids + 1] = entries[i]
    end
  end
end
local found = {}
for _, id in ipairs(ids) do
  local row = stored_schedule(id)
  if row then
    found[#found + 1] = {id, row[4]}
  end
end
return found

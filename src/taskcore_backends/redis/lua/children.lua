-- uses: base
-- Return ids of children of a task or group, the first so many of each mark, in the order of ids within a mark.
-- ARGV: 2 the parent, 3 the id behind which to begin, 4 how many.
-- Reply: ids, those of mark 0 first. Complexity: O(log N + n).
-- KEYS: 1 layout, 2 room (base.lua).
local ids = {}
for mark = 0, 2 do
  local found = call('ZRANGEBYLEX', P .. 'd' .. mark .. ':' .. ARGV[2], '(' .. ARGV[3], '+', 'LIMIT', 0, ARGV[4])
  for _, id in ipairs(found) do
    ids[#ids + 1] = id
  end
end
return ids

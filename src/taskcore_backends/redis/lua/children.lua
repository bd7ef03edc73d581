-- uses: base ids store reply
-- Return the children of a task or group by id. ARGV: 2 the parent, 3 the id behind which to begin, 4 how many.
-- Reply: the tasks; one more than a page shows there is another. Complexity: O(log N + n).
local ids = {}
for mark = 0, 2 do
  local found = call('ZRANGEBYLEX', P .. 'd' .. mark .. ':' .. ARGV[2], '(' .. ARGV[3], '+', 'LIMIT', 0, ARGV[4])
  for _, id in ipairs(found) do
    ids[#ids + 1] = id
  end
end
table.sort(ids, is_less)
while #ids > tonumber(ARGV[4]) do
  table.remove(ids)
end
load_tasks(ids)
return replies(ids)

-- uses: base ids store reply
-- Return tasks. ARGV: 2… ids. Reply: a record for each, or nil. Complexity: O(n).
-- KEYS: 1 layout, 2 room (base.lua).
local ids = {}
for i = 2, #ARGV do
  ids[i - 1] = ARGV[i]
end
load_tasks(ids)
return replies(ids)

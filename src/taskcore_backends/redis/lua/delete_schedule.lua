-- uses: base schedules
-- Delete a schedule. ARGV: 2 the id. Reply: whether it was there. Complexity: O(log N).
-- KEYS: 1 layout, 2 room (base.lua).
local old = stored_schedule(ARGV[2])
if not old then
  return 0
end
drop_schedule(ARGV[2], old)
return 1

-- uses: base ids store vacate
-- Delete groups that have had no member for some time, oldest first, unless an unfinished task waits for them.
-- ARGV: 2 for how many microseconds, 3 how many to look at, 4 how many to pass over.
-- Reply: how many were deleted, and how many stay. Complexity: O(log N + n log N).
-- KEYS: 1 layout, 2 room (base.lua).
local before = now - tonumber(ARGV[2])
local ids = call('ZRANGEBYSCORE', P .. 'empty', '-inf', string.format('%.0f', before), 'LIMIT', ARGV[4], ARGV[3])
local gone = 0
may_overflow = true
for _, id in ipairs(ids) do
  local g = group(id)
  if call('EXISTS', P .. 'd1:' .. id, P .. 'd2:' .. id) == 0 then
    gone = gone + 1
    G[id] = false
    dirty_groups[id] = true
    zdrop('gids', id)
    zdrop('gn:' .. g[1], id)
  end
end
if gone > 0 then
  flush()
  vacate()
end
return {gone, #ids - gone}

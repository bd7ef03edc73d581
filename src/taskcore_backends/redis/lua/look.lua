-- uses: base
-- Is there anything to claim from these queues? ARGV: 2… queues.
-- Reply: 0 for yes, else the microseconds until something happens by itself, -1 for never. Complexity: O(queues).
-- KEYS: 1 layout, 2 room (base.lua).
for i = 2, #ARGV do
  if call('EXISTS', P .. 'r:' .. ARGV[i], P .. 'u:' .. ARGV[i]) > 0
    and call('SISMEMBER', P .. 'paused', ARGV[i]) == 0 then
    return 0
  end
end
if call('EXISTS', P .. 'owed') == 1 then
  return 0
end
local first = -1
for _, key in ipairs({'later', 'leases', 'expiry', 'keytimers'}) do
  local found = call('ZRANGE', P .. key, 0, 0, 'WITHSCORES')
  if #found > 0 then
    local left = tonumber(found[2]) - now
    if left <= 0 then
      return 0
    end
    first = first < 0 and left or min(first, left)
  end
end
return string.format('%.0f', first)

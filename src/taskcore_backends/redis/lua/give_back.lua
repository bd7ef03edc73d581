-- uses: base
-- A marker was popped for nobody: another one is to find it. ARGV: 2 the queue. Reply: 1. Complexity: O(1).
-- KEYS: 1 layout, 2 room (base.lua).
if call('EXISTS', P .. 'r:' .. ARGV[2], P .. 'u:' .. ARGV[2]) > 0 then
  overflow()
  call('ZADD', P .. 'm:' .. ARGV[2], 0, '0')
end
return 1

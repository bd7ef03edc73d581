-- uses: base
-- Pause or resume a queue. ARGV: 2 the queue, 3 '1' to pause. Reply: 1. Complexity: O(1).
-- KEYS: 1 layout, 2 room (base.lua).
if ARGV[3] == '1' then
  call('SADD', P .. 'paused', ARGV[2])
  call('DEL', P .. 'm:' .. ARGV[2])
  if not layout then
    call('SET', KEYS[1], '@LAYOUT@')
  end
else
  call('SREM', P .. 'paused', ARGV[2])
  if call('EXISTS', P .. 'r:' .. ARGV[2], P .. 'u:' .. ARGV[2], P .. 'later') > 0 then
    call('ZADD', P .. 'm:' .. ARGV[2], 0, '0')
  end
end
return 1

-- uses: base
-- A marker was popped for nobody: another one is to find it. ARGV: 2 the queue. Complexity: O(1).
if call('EXISTS', P .. 'r:' .. ARGV[2], P .. 'u:' .. ARGV[2]) > 0 then
  overflow()
  call('ZADD', P .. 'm:' .. ARGV[2], 0, '0')
end
return 1

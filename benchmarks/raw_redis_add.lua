-- The raw loop's script to enqueue one task, unless there is one of that id.
--
-- KEYS: 1 tasks, 2 ready (see raw_redis.lua). ARGV: 1 id, 2 queue, 3 priority, 4 arguments. Complexity: O(log N).
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local record = cmsgpack.pack({0, ARGV[2], tonumber(ARGV[3]), now, ARGV[4], 0, false, false, false})
if redis.call('HSETNX', KEYS[1], ARGV[1], record) == 0 then
  return 0
end
-- Higher priority first, then the millisecond, as whole numbers below 2^53.
return redis.call('ZADD', KEYS[2], (100 - tonumber(ARGV[3])) * 4398046511104 + math.floor(now / 1000), ARGV[1])

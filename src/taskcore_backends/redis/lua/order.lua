-- uses: base
-- Have the next beats of a worker answered so. ARGV: 2 the id, 3 the order. Reply: whether the worker is known.
-- Complexity: O(1).
-- KEYS: 1 layout, 2 room (base.lua).
local record = call('HGET', P .. 'workers', ARGV[2])
if not record then
  return 0
end
overflow()
call('HSET', P .. 'workers', ARGV[2], cmsgpack.pack({ARGV[3], cmsgpack.unpack(record)[2]}))
return 1

-- uses: base
-- Store what a worker says of itself; forget those that were silent for a day.
-- ARGV: 2 the id, 3 the moment of the beat, 4 the document.
-- Reply: the order that is wanted of it, or nil. Complexity: O(log N).
-- KEYS: 1 layout, 2 room (base.lua).
local record = call('HGET', P .. 'workers', ARGV[2])
local wanted = record and cmsgpack.unpack(record)[1]
overflow()
call('HSET', P .. 'workers', ARGV[2], cmsgpack.pack({wanted, ARGV[4]}))
call('ZADD', P .. 'beats', ARGV[3], ARGV[2])
if not layout then
  call('SET', KEYS[1], '@LAYOUT@')
end
local silent = now - @SILENT@
local before = '(' .. string.format('%.0f', silent)
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'beats', '-inf', before, 'LIMIT', 0, 100)) do
  call('HDEL', P .. 'workers', id)
  call('ZREM', P .. 'beats', id)
end
return wanted

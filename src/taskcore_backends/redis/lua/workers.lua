-- uses: base
-- Return documents of the workers that have beaten in the last day, the newest beat first.
-- ARGV: 2 how many, 3 how many to pass over. Complexity: O(log N + n).
local silent = string.format('%.0f', now - 86400000000)
local found = {}
for _, id in ipairs(call('ZREVRANGEBYSCORE', P .. 'beats', '+inf', silent, 'LIMIT', ARGV[3], ARGV[2])) do
  local record = call('HGET', P .. 'workers', id)
  if record then
    found[#found + 1] = cmsgpack.unpack(record)[2]
  end
end
return found

-- uses: base
-- Return documents of the workers that have beaten in the last day, the newest beat first.
-- ARGV: 2 how many, 3 how many to pass over. Reply: documents. Complexity: O(log N + n).
-- KEYS: 1 layout, 2 room (base.lua).
local silent = now - @SILENT@
local found = {}
local entries = call('ZREVRANGE', P .. 'beats', ARGV[3], ARGV[3] + ARGV[2] - 1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local record = tonumber(entries[i + 1]) >= silent and call('HGET', P .. 'workers', entries[i])
  if record then
    found[#found + 1] = cmsgpack.unpack(record)[2]
  end
end
return found

-- uses: base
-- Who holds a unique key now? ARGV: 2 the key. Reply: an id, or nil. Complexity: O(1).
-- KEYS: 1 layout, 2 room (base.lua).
local record = call('HGET', P .. 'keys', ARGV[2])
if not record then
  return false
end
local row = cmsgpack.unpack(record)
if row[2] and tonumber(row[2]) <= now then
  return false
end
return row[1]

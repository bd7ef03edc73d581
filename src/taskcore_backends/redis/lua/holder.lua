-- uses: base
-- Return who holds a unique key now, or nil. ARGV: 2 the key. Complexity: O(1).
local record = call('HGET', P .. 'keys', ARGV[2])
if not record then
  return false
end
local row = cmsgpack.unpack(record)
if row[2] and tonumber(row[2]) <= now then
  return false
end
return row[1]

-- uses: base schedules
-- Store a schedule if the stored one has the revision that is expected and nobody else has the name.
-- ARGV: 2 the id, 3 the revision or '', 4 {name, revision, slot, document}. Reply: 1 or 0. Complexity: O(log N).
-- KEYS: 1 layout, 2 room (base.lua).
local old, row = stored_schedule(ARGV[2]), cmsgpack.unpack(ARGV[4])
if tostring(old and old[2] or '') ~= ARGV[3] then
  return 0
end
local name = row[1] .. '\0'
for _, member in ipairs(call('ZRANGEBYLEX', P .. 'snames', '[' .. name, '(' .. row[1] .. '\1', 'LIMIT', 0, 2)) do
  if member ~= name .. ARGV[2] then
    return 0
  end
end
if old and old[1] ~= row[1] then
  call('ZREM', P .. 'snames', old[1] .. '\0' .. ARGV[2])
end
put_schedule(ARGV[2], row)
return 1

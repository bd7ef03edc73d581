-- uses: base
-- Has one of these tasks or groups finished, or is it gone? If not, note who is to be told.
-- ARGV: 2 the address of who waits, 3 how many of the following are to be watched ('' stands for any finish), then
-- those, then the ids to look at. Reply: 1 or 0. Complexity: O(n).
-- KEYS: 1 layout, 2 room (base.lua).
local watched = tonumber(ARGV[3])
for first = 4 + watched, #ARGV, 1000 do
  local last = min(first + 999, #ARGV)
  local records = call('HMGET', P .. 'tasks', unpack(ARGV, first, last))
  for i = 1, #records do
    if records[i] then
      if cmsgpack.unpack(records[i])[F.CODE] >= S.SUCCESSFUL then
        return 1
      end
    else
      local record = call('HGET', P .. 'groups', ARGV[first + i - 1])
      local g = record and cmsgpack.unpack(record)
      if not g or (g[3] and g[3] == g[9] + g[10] + g[11]) then
        return 1
      end
    end
  end
end
if watched > 0 then
  overflow()
end
for i = 4, 3 + watched do
  local packed = call('HGET', P .. 'watched', ARGV[i])
  local addresses, is_new = packed and cmsgpack.unpack(packed) or {}, true
  for _, address in ipairs(addresses) do
    is_new = is_new and address ~= ARGV[2]
  end
  if is_new then
    while #addresses >= @WATCHERS@ do
      table.remove(addresses, 1)
    end
    addresses[#addresses + 1] = ARGV[2]
    call('HSET', P .. 'watched', ARGV[i], cmsgpack.pack(addresses))
  end
end
return 0

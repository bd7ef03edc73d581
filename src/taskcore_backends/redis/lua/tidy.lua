-- uses: base vacate
-- Forget what nobody can ask for any more: workers that were silent for a day, claims that are older, unique keys whose
-- moment has come. With the last of all that is stored the rest goes too.
-- ARGV: none of its own. Reply: 1. Complexity: O(log N), some hundred of each at most.
-- KEYS: 1 layout, 2 room (base.lua).
local function before(key, moment)
  return call('ZRANGEBYSCORE', P .. key, '-inf', string.format('%.0f', moment), 'LIMIT', 0, 200)
end

for _, id in ipairs(before('beats', now - @SILENT@)) do
  call('HDEL', P .. 'workers', id)
  call('ZREM', P .. 'beats', id)
end
for _, worker in ipairs(before('claimers', now - @NONCES_KEPT@)) do
  call('DEL', P .. 'c:' .. worker, P .. 'n:' .. worker)
  call('ZREM', P .. 'claimers', worker)
end
for _, key in ipairs(before('keytimers', now)) do
  local record = call('HGET', P .. 'keys', key)
  local ends = record and cmsgpack.unpack(record)[2]
  if ends and tonumber(ends) <= now then
    call('HDEL', P .. 'keys', key)
    call('ZREM', P .. 'keytimers', key)
  end
end
vacate()
return 1

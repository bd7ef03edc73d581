-- uses: base
-- Nobody at this address waits for these any more. ARGV: 2 the address, 3… what was watched.
-- Reply: 1. Complexity: O(n).
-- KEYS: 1 layout, 2 room (base.lua).
overflow()
for i = 3, #ARGV do
  local packed = call('HGET', P .. 'watched', ARGV[i])
  local addresses = {}
  for _, address in ipairs(packed and cmsgpack.unpack(packed) or {}) do
    if address ~= ARGV[2] then
      addresses[#addresses + 1] = address
    end
  end
  if #addresses > 0 then
    call('HSET', P .. 'watched', ARGV[i], cmsgpack.pack(addresses))
  elseif packed then
    call('HDEL', P .. 'watched', ARGV[i])
  end
end
return 1

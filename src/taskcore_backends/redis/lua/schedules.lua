-- What schedules stand in: `schedules` has {name, revision, slot, document} by id, `snames` name and id, `slots` the
-- next slots.
local function stored_schedule(id)
  local record = call('HGET', P .. 'schedules', id)
  return record and cmsgpack.unpack(record)
end

local function put_schedule(id, row)
  call('HSET', P .. 'schedules', id, cmsgpack.pack(row))
  if not layout then
    call('SET', KEYS[1], '@LAYOUT@')
  end
  call('ZADD', P .. 'snames', 0, row[1] .. '\0' .. id)
  if row[3] then
    call('ZADD', P .. 'slots', tonumber(row[3]), id)
  else
    call('ZREM', P .. 'slots', id)
  end
end

local function drop_schedule(id, row)
  call('HDEL', P .. 'schedules', id)
  call('ZREM', P .. 'snames', row[1] .. '\0' .. id)
  call('ZREM', P .. 'slots', id)
end

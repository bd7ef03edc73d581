-- All ids in order, in buckets small enough to be stored compactly: `ids` has the first id of each.

local BUCKET = @BUCKET@

local function is_less(a, b)
  local length = min(#a, #b)
  for i = 1, length do
    local one, other = string.byte(a, i), string.byte(b, i)
    if one ~= other then
      return one < other
    end
  end
  return #a < #b
end

local function bucket_of(id)
  local found = call('ZREVRANGEBYLEX', P .. 'ids', '[' .. id, '-', 'LIMIT', 0, 1)
  return found[1]
end

local function split(low, id, has_next)
  local key = P .. 'i:' .. low
  local members = call('ZRANGE', key, 0, -1)
  local at = floor(#members / 2) + 1
  if not has_next and members[#members] == id then
    at = #members
  end
  local moved = {}
  for i = at, #members do
    moved[#moved + 1] = 0
    moved[#moved + 1] = members[i]
  end
  call('ZADD', P .. 'ids', 0, members[at])
  call('ZADD', P .. 'i:' .. members[at], unpack(moved))
  call('ZREMRANGEBYRANK', key, at - 1, -1)
end

local function index_ids(ids)
  local low, high, size
  for i = 1, #ids do
    local id = ids[i]
    if not low or is_less(id, low) or (high and not is_less(id, high)) then
      low, high = call('ZREVRANGE', P .. 'ids', 0, 0)[1], nil
      if not low or is_less(id, low) then
        low = bucket_of(id)
        if not low then
          low = ''
          call('ZADD', P .. 'ids', 0, '')
        end
        high = call('ZRANGEBYLEX', P .. 'ids', '(' .. low, '+', 'LIMIT', 0, 1)[1]
      end
      size = call('ZCARD', P .. 'i:' .. low)
    end
    call('ZADD', P .. 'i:' .. low, 0, id)
    size = size + 1
    if size > BUCKET then
      split(low, id, high)
      low = nil
    end
  end
end

local function unindex_id(id)
  local low = bucket_of(id)
  if low then
    call('ZREM', P .. 'i:' .. low, id)
    if call('EXISTS', P .. 'i:' .. low) == 0 then
      call('ZREM', P .. 'ids', low)
    end
  end
end

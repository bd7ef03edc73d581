-- All ids in order: in lists small enough to be stored compactly, i:<low>, of which the ZSET `ids` has the lower
-- bounds; the latest few wait in the list `recent` until there are enough of them for a list.

local BUCKET, RECENT = @BUCKET@, @RECENT@

-- As bytes: what Lua says of texts depends on the locale of the server. Ids mostly begin alike, so by eights first.
local function is_less(a, b)
  if a == b then
    return false
  end
  local i = 1
  while string.sub(a, i, i + 7) == string.sub(b, i, i + 7) do
    i = i + 8
  end
  while string.byte(a, i) and string.byte(a, i) == string.byte(b, i) do
    i = i + 1
  end
  return (string.byte(a, i) or -1) < (string.byte(b, i) or -1)
end

local function bucket_of(id)
  return call('ZREVRANGEBYLEX', P .. 'ids', '[' .. id, '-', 'LIMIT', 0, 1)[1]
end

local function make_buckets(ids, from)
  for first = from, #ids, BUCKET do
    call('RPUSH', P .. 'i:' .. ids[first], unpack(ids, first, min(first + BUCKET - 1, #ids)))
    call('ZADD', P .. 'ids', 0, ids[first])
  end
end

-- Put one id among those that are there: it was made by another client, whose clock is a little behind.
local function put_in_bucket(id)
  local low = bucket_of(id)
  if not low then
    low = ''
    call('ZADD', P .. 'ids', 0, '')
  end
  local key = P .. 'i:' .. low
  local members = call('LRANGE', key, 0, -1)
  local first, last = 1, #members
  while first <= last do
    local middle = floor((first + last) / 2)
    if is_less(id, members[middle]) then
      last = middle - 1
    else
      first = middle + 1
    end
  end
  if members[first] then
    call('LINSERT', key, 'BEFORE', members[first], id)
  else
    call('RPUSH', key, id)
  end
  if #members >= 2 * BUCKET then
    table.insert(members, first, id)
    call('LTRIM', key, 0, BUCKET - 1)
    make_buckets(members, BUCKET + 1)
  end
end

local function index_ids(ids)
  local recent, sorted = P .. 'recent', P .. 'sorted'
  local size
  for first = 1, #ids, 1000 do
    size = call('RPUSH', recent, unpack(ids, first, min(first + 999, #ids)))
  end
  if size < RECENT then
    return
  end
  call('SORT', recent, 'ALPHA', 'STORE', sorted) -- as bytes, because it is stored
  call('DEL', recent)
  local last = call('ZREVRANGE', P .. 'ids', 0, 0)[1]
  last = last and call('LINDEX', P .. 'i:' .. last, -1)
  local first = call('LINDEX', sorted, 0)
  if size <= BUCKET and (not last or is_less(last, first)) then
    call('RENAME', sorted, P .. 'i:' .. first)
    call('ZADD', P .. 'ids', 0, first)
    return
  end
  ids = call('LRANGE', sorted, 0, -1)
  call('DEL', sorted)
  local from = 1
  while last and ids[from] and is_less(ids[from], last) do
    put_in_bucket(ids[from])
    from = from + 1
  end
  make_buckets(ids, from)
end

local function unindex_id(id)
  local low = bucket_of(id)
  if low and call('LREM', P .. 'i:' .. low, 1, id) == 1 then
    if call('EXISTS', P .. 'i:' .. low) == 0 then
      call('ZREM', P .. 'ids', low)
    end
  else
    call('LREM', P .. 'recent', 1, id)
  end
end

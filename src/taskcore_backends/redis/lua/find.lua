-- uses: base ids store reply
-- Look at a portion of tasks in the order of their ids, and return those that match.
-- ARGV: 2 a request {index, low, high, is_descending, limit, look_at, codes, queue, name, group, schedule, key,
-- worker}: an index is '' for all ids, or the name of a ZSET of ids; low and high are bounds as of ZRANGEBYLEX.
-- Reply: {tasks, how many were looked at, the last id looked at or nil, whether there may be more}.
-- Complexity: O(log N + look_at).
-- KEYS: 1 layout, 2 room (base.lua).
local q = cmsgpack.unpack(ARGV[2])
local index, low, high, is_descending, limit, look_at = q[1], q[2], q[3], q[4], q[5], q[6]
local codes = {}
for _, code in ipairs(q[7] or {}) do
  codes[code] = true
end

local function range(key, from, to, n)
  if is_descending then
    return call('ZREVRANGEBYLEX', P .. key, to, from, 'LIMIT', 0, n)
  end
  return call('ZRANGEBYLEX', P .. key, from, to, 'LIMIT', 0, n)
end

local function next_bucket(bucket)
  if bucket == nil then
    if is_descending then
      return range('ids', '-', high, 1)[1]
    end
    local start = low ~= '-' and bucket_of(string.sub(low, 2))
    return start or range('ids', '-', '+', 1)[1]
  elseif is_descending then
    return range('ids', '-', '(' .. bucket, 1)[1]
  end
  return range('ids', '(' .. bucket, '+', 1)[1]
end

local function is_inside(id)
  local from, to = string.sub(low, 2), string.sub(high, 2)
  return (low == '-' or is_less(from, id) or (from == id and string.sub(low, 1, 1) == '['))
    and (high == '+' or is_less(id, to))
end

-- Whether all that follows a bucket with these members lies outside.
local function is_behind(members)
  if is_descending then
    return low ~= '-' and is_less(members[1], string.sub(low, 2))
  end
  return high ~= '+' and not is_less(members[#members], string.sub(high, 2))
end

local function in_buckets()
  local ids = {}
  local bucket = next_bucket(nil)
  while bucket and #ids < look_at do
    local members = call('LRANGE', P .. 'i:' .. bucket, 0, -1)
    local n = #members
    local is_whole = n > 0 and is_inside(members[1]) and is_inside(members[n])
    for i = 1, n do
      local id = members[is_descending and n + 1 - i or i]
      if #ids < look_at and (is_whole or is_inside(id)) then
        ids[#ids + 1] = id
      end
    end
    if n > 0 and is_behind(members) then
      break
    end
    bucket = next_bucket(bucket)
  end
  return ids
end

local function comes_first(a, b)
  if is_descending then
    return is_less(b, a)
  end
  return is_less(a, b)
end

local function portion()
  if index ~= '' then
    return range(index, low, high, look_at)
  end
  local recent = {}
  for _, id in ipairs(call('LRANGE', P .. 'recent', 0, -1)) do
    if is_inside(id) then
      recent[#recent + 1] = id
    end
  end
  local older = in_buckets()
  if #recent == 0 then
    return older
  end
  table.sort(recent, comes_first)
  local ids, i, j = {}, 1, 1
  while #ids < look_at and (recent[i] or older[j]) do
    if recent[i] and (not older[j] or comes_first(recent[i], older[j])) then
      ids[#ids + 1] = recent[i]
      i = i + 1
    else
      ids[#ids + 1] = older[j]
      j = j + 1
    end
  end
  return ids
end

local function matches(t)
  local bonds = t[F.BONDS] or {}
  return (not q[7] or codes[t[F.CODE]])
    and (not q[8] or t[F.QUEUE] == q[8])
    and (not q[9] or t[F.NAME] == q[9])
    and (not q[10] or bonds[B.GROUP] == q[10])
    and (not q[11] or bonds[B.SCHEDULE] == q[11])
    and (not q[12] or bonds[B.KEY] == q[12])
    and (not q[13] or (t[F.CODE] == S.RUNNING and t[F.WORKER] == q[13]))
end

local ids = portion()
load_tasks(ids)
local chosen, looked_at = {}, 0
for _, id in ipairs(ids) do
  looked_at = looked_at + 1
  if T[id] and matches(T[id]) then
    chosen[#chosen + 1] = id
    if #chosen == limit then
      break
    end
  end
end
return {replies(chosen), looked_at, ids[looked_at] or false, (looked_at < #ids or #ids >= look_at) and 1 or 0}

-- One atomic step: tasks that were read or changed, entries of ZSETs that are put or dropped, counts. Nothing is
-- written before flush(): a script that finds a reason to refuse just returns. Ranges are read after flush_zset(key).
local T, dirty, is_dirty, fresh = {}, {}, {}, {}
local Z, counts = {}, {}
local G, dirty_groups, was_empty = {}, {}, {}
local K, dirty_keys = {}, {}
local attempts, dirty_attempts = {}, {}
local arguments = {}
-- By queue: '0' when something may be claimed now, '1' when something is to be claimed later.
local ready, finished, letting_go = {}, {}, {}
local may_overflow = false
local AT_ONCE = 1000

local function overflow_if_allowed()
  if may_overflow then
    overflow()
    may_overflow = false
  end
end

local function load_tasks(ids)
  local missing, n = {}, 0
  for i = 1, #ids do
    if T[ids[i]] == nil then
      n = n + 1
      missing[n] = ids[i]
    end
  end
  for first = 1, n, AT_ONCE do
    local found = call('HMGET', P .. 'tasks', unpack(missing, first, min(first + AT_ONCE - 1, n)))
    for i = 1, #found do
      local record = found[i]
      T[missing[first + i - 1]] = record and cmsgpack.unpack(record)
    end
  end
end

local function task(id)
  local t = T[id]
  if t == nil then
    local record = call('HGET', P .. 'tasks', id)
    t = record and cmsgpack.unpack(record)
    T[id] = t
  end
  return t
end

local function put(id, t)
  T[id] = t
  if not is_dirty[id] then
    is_dirty[id] = true
    dirty[#dirty + 1] = id
  end
end

-- Whether a group has no member, and will have to be purged by itself: an open one is not that had some before.
local function is_empty(g)
  return g[6] + g[7] + g[8] + g[9] + g[10] + g[11] == 0 and (g[3] or g[5] == 0)
end

local function group(id)
  local g = G[id]
  if g == nil then
    local record = call('HGET', P .. 'groups', id)
    g = record and cmsgpack.unpack(record)
    G[id] = g
    was_empty[id] = g and is_empty(g)
  end
  return g
end

-- ZSETs

local function zput(key, member, score)
  local members = Z[key]
  if not members then
    members = {}
    Z[key] = members
  end
  members[member] = score
end

local function zdrop(key, member)
  zput(key, member, false)
end

local function zhas(key, member)
  local members = Z[key]
  if members and members[member] ~= nil then
    return members[member] ~= false
  end
  return call('ZSCORE', P .. key, member) ~= false
end

local function in_portions(command, key, arguments_, size)
  for first = 1, #arguments_, size do
    call(command, key, unpack(arguments_, first, min(first + size - 1, #arguments_)))
  end
end

local function flush_zset(key)
  local members = Z[key]
  if not members then
    return
  end
  overflow_if_allowed()
  Z[key] = nil
  local adds, drops, a, d = {}, {}, 0, 0
  local last, text
  for member, score in pairs(members) do
    if score then
      if score ~= last then -- mostly they are all alike, and to write a number is dear
        last, text = score, string.format('%.0f', score)
      end
      adds[a + 1], adds[a + 2] = text, member
      a = a + 2
    else
      d = d + 1
      drops[d] = member
    end
  end
  in_portions('ZADD', P .. key, adds, 2 * AT_ONCE)
  in_portions('ZREM', P .. key, drops, AT_ONCE)
end

-- Counts

local function count(queue, code, n)
  local field = code .. ':' .. queue
  counts[field] = (counts[field] or 0) + n
end

local function write_counts()
  for field, n in pairs(counts) do
    if n ~= 0 and call('HINCRBY', P .. 'counts', field, n) == 0 then
      call('HDEL', P .. 'counts', field)
      local code = string.sub(field, 1, 1)
      local queue = string.sub(field, 3)
      if code < '2' and call('HEXISTS', P .. 'counts', (1 - tonumber(code)) .. ':' .. queue) == 0 then
        call('DEL', P .. 'm:' .. queue)
      end
    end
  end
  counts = {}
end

local function write_tasks()
  local puts, drops, n = {}, {}, 0
  for i = 1, #dirty do
    local id = dirty[i]
    local t = T[id]
    if t then
      puts[n + 1], puts[n + 2] = id, cmsgpack.pack(t)
      n = n + 2
    else
      drops[#drops + 1] = id
    end
  end
  in_portions('HSET', P .. 'tasks', puts, 2 * AT_ONCE)
  in_portions('HDEL', P .. 'tasks', drops, AT_ONCE)
  dirty, is_dirty = {}, {}
end

local function write_map(key, cache, changed)
  for id in pairs(changed) do
    local value = cache[id]
    if value then
      call('HSET', P .. key, id, cmsgpack.pack(value))
    else
      call('HDEL', P .. key, id)
    end
  end
end

local function note_ready(queue, code)
  if code == S.READY then
    ready[queue] = '0'
  elseif not ready[queue] then
    ready[queue] = '1'
  end
end

local function flush()
  if #dirty > 0 or next(Z) then
    overflow_if_allowed()
  end
  write_tasks()
  if next(dirty_groups) then
    for id in pairs(dirty_groups) do
      if G[id] and is_empty(G[id]) then
        zput('empty', id, G[id][4] or G[id][2])
      elseif was_empty[id] then
        zdrop('empty', id)
      end
    end
    write_map('groups', G, dirty_groups)
    dirty_groups = {}
  end
  if next(dirty_keys) then
    write_map('keys', K, dirty_keys)
    dirty_keys = {}
  end
  if next(dirty_attempts) then
    write_map('attempts', attempts, dirty_attempts)
    dirty_attempts = {}
  end
  for id, text in pairs(arguments) do
    if text then
      call('HSET', P .. 'args', id, text)
    else
      call('HDEL', P .. 'args', id)
    end
  end
  arguments = {}
  while true do
    local key = next(Z)
    if not key then
      break
    end
    flush_zset(key)
  end
  if #fresh > 0 then
    index_ids(fresh)
    fresh = {}
  end
  if next(counts) then
    write_counts()
  end
end

-- What others wait for

local function announce()
  if #finished > 0 and call('EXISTS', P .. 'watched') == 1 then
    local ids = finished
    ids[#ids + 1] = ''
    for first = 1, #ids, AT_ONCE do
      local found = call('HMGET', P .. 'watched', unpack(ids, first, min(first + AT_ONCE - 1, #ids)))
      for i = 1, #found do
        if found[i] then
          local id = ids[first + i - 1]
          call('HDEL', P .. 'watched', id)
          for _, address in ipairs(cmsgpack.unpack(found[i])) do
            call('ZADD', P .. 'in:' .. address, 0, id)
            call('PEXPIRE', P .. 'in:' .. address, @INBOX_KEPT@)
          end
        end
      end
    end
  end
  for queue, member in pairs(ready) do
    call('ZADD', P .. 'm:' .. queue, member, member)
  end
end

-- uses: base ids store step moving vacate
-- Delete those of these tasks that match, have finished, and that no unfinished task was enqueued to wait for.
-- ARGV: 2 a request {codes, is_due, finished_before, queue, name, group, limit}, 3… ids.
-- Reply: how many were deleted, and how many looked at. Complexity: O(n log N), and O(n) for the items of each.
-- KEYS: 1 layout, 2 room (base.lua).
may_overflow = true
local q = cmsgpack.unpack(ARGV[2])
local codes, ids = {}, {}
for _, code in ipairs(q[1]) do
  codes[code] = true
end
for i = 3, #ARGV do
  ids[i - 2] = ARGV[i]
end
load_tasks(ids)

local function is_needed(id)
  return call('EXISTS', P .. 'd1:' .. id, P .. 'd2:' .. id) > 0
end

local function may_go(id, t)
  local group_id = t[F.BONDS] and t[F.BONDS][B.GROUP]
  local at = q[2] and t[F.CODE] >= S.SUCCESSFUL and purge_at(t)
  return t[F.CODE] >= S.SUCCESSFUL
    and codes[t[F.CODE]]
    and (not q[2] or (at and at <= now))
    and (not q[3] or t[F.CHANGED_AT] < tonumber(q[3]))
    and (not q[4] or t[F.QUEUE] == q[4])
    and (not q[5] or t[F.NAME] == q[5])
    and (not q[6] or group_id == q[6])
    and not (group_id and is_needed(group_id))
    and not is_needed(id)
end

local names = {}

local function take_from_group(id, t, bonds)
  local g = group(bonds[B.GROUP])
  if not g then
    return
  end
  count_member(bonds[B.GROUP], g, t[F.CODE], -1)
  if not g[3] then
    g[5] = g[5] + 1
  else
    g[3] = g[3] - 1
    if stored_members(g) == 0 then
      G[bonds[B.GROUP]] = false
      zdrop('gids', bonds[B.GROUP])
      zdrop('gn:' .. g[1], bonds[B.GROUP])
    end
  end
end

local function delete(id, t)
  local bonds = t[F.BONDS]
  leave(id, t)
  count(t[F.QUEUE], t[F.CODE], -1)
  names[t[F.NAME]] = true
  if not t[F.ARGS] then
    arguments[id] = false
  end
  if t[F.HAS_ATTEMPTS] == 1 then
    attempts[id] = false
    dirty_attempts[id] = true
  end
  if bonds then
    drop_edges(id, bonds[B.PARENTS])
    index_bonds(id, bonds, false)
    drop_key(id, t, U.FINISHED)
    if bonds[B.GROUP] then
      take_from_group(id, t, bonds)
    end
  end
  put(id, false)
end

local gone, looked_at = {}, 0
for _, id in ipairs(ids) do
  if #gone >= q[7] then
    break
  end
  looked_at = looked_at + 1
  local t = T[id]
  if t and may_go(id, t) then
    delete(id, t)
    gone[#gone + 1] = id
  end
end
if #gone > 0 then
  flush()
  for _, id in ipairs(gone) do
    unindex_id(id)
    call('UNLINK', P .. 'x:' .. id)
  end
  call('HDEL', P .. 'watched', unpack(gone))
  for name in pairs(names) do
    if call('EXISTS', P .. 'f:' .. name) == 0 then
      call('ZREM', P .. 'names', name)
    end
  end
  vacate()
end
return {#gone, looked_at}

-- What a write of a task entails: where it stands, counts, the unique key, edges, groups.

-- The score of a due task: milliseconds since the year 1, which up to the year 2230 are less than RANK, below the
-- priorities.
local function rank(t)
  local due = floor(tonumber(t[F.RUN_AFTER]) / 1000) + @BEFORE_EPOCH@
  return min(due, @RANK@ - 1) - t[F.PRIORITY] * @RANK@
end

-- The one ZSET in which a task stands by its state, and its score there.
local function place(t)
  local code = t[F.CODE]
  if code == S.READY then
    return ((t[F.MAX_CRASHES] == 0 or t[F.CRASHES] > 0) and 'u:' or 'r:') .. t[F.QUEUE], rank(t)
  elseif code == S.LATER then
    return 'later', tonumber(t[F.RUN_AFTER])
  elseif code == S.BLOCKED then
    return 'blocked', 0
  elseif code == S.RUNNING then
    return 'leases', tonumber(t[F.LEASE_EXPIRES])
  end
  return 'f:' .. t[F.NAME], t[F.CHANGED_AT]
end

local function purge_at(t)
  local bonds = t[F.BONDS]
  local age = bonds and bonds[B.KEEP + t[F.CODE] - S.SUCCESSFUL]
  return age and t[F.CHANGED_AT] + tonumber(age)
end

local function stand(id, t)
  local key, score = place(t)
  zput(key, id, score)
  local code = t[F.CODE]
  if code <= S.BLOCKED then
    if t[F.EXPIRES] then
      zput('expiry', id, tonumber(t[F.EXPIRES]))
    end
  elseif code >= S.SUCCESSFUL then
    zput('names', t[F.NAME], 0)
    if code > S.SUCCESSFUL then
      zput('s:' .. code, id, 0)
    end
    local at = purge_at(t)
    if at then
      zput('purge', id, at)
    end
  end
end

local function leave(id, t)
  zdrop(place(t), id)
  local code = t[F.CODE]
  if code <= S.BLOCKED then
    if t[F.EXPIRES] then
      zdrop('expiry', id)
    end
  elseif code > S.RUNNING then
    if code > S.SUCCESSFUL then
      zdrop('s:' .. code, id)
    end
    if purge_at(t) then
      zdrop('purge', id)
    end
  end
end

-- Where tasks with bonds are found again.
local function index_bonds(id, bonds, score)
  if bonds[B.GROUP] then
    zput('g:' .. bonds[B.GROUP], id, score)
  end
  if bonds[B.SCHEDULE] then
    zput('l:' .. bonds[B.SCHEDULE], id, score)
  end
  if bonds[B.KEY] then
    zput('y:' .. bonds[B.KEY], id, score)
  end
end

-- Groups

local PLACE_IN_GROUP = {[S.READY] = 7, [S.LATER] = 7, [S.BLOCKED] = 6, [S.RUNNING] = 8, [S.SUCCESSFUL] = 9,
  [S.FAILED] = 10, [S.CANCELLED] = 11}

local function count_member(id, g, code, n)
  local at = PLACE_IN_GROUP[code]
  g[at] = g[at] + n
  dirty_groups[id] = true
end

local function stored_members(g)
  return g[6] + g[7] + g[8] + g[9] + g[10] + g[11]
end

local function is_group_finished(g)
  return g[3] and g[3] == g[9] + g[10] + g[11]
end

-- The first n children that wait for a parent. What this step has changed of them is not written yet.
local function awaiting_children(parent, n)
  local members = Z['d2:' .. parent]
  if not members then
    return call('ZRANGE', P .. 'd2:' .. parent, 0, n - 1)
  end
  local changed, found, seen = 0, {}, {}
  for _ in pairs(members) do
    changed = changed + 1
  end
  for _, id in ipairs(call('ZRANGE', P .. 'd2:' .. parent, 0, n + changed - 1)) do
    seen[id] = true
    if members[id] ~= false then
      found[#found + 1] = id
    end
  end
  for id, score in pairs(members) do
    if score and not seen[id] then
      found[#found + 1] = id
    end
  end
  table.sort(found, is_less)
  for i = #found, n + 1, -1 do
    found[i] = nil
  end
  return found
end

local function has_awaiting(id)
  if Z['d2:' .. id] then
    return #awaiting_children(id, 1) > 0
  end
  return call('EXISTS', P .. 'd2:' .. id) == 1
end

local function check_sealed(id, g)
  if is_group_finished(g) then
    if not g[4] then
      g[4] = now
      dirty_groups[id] = true
    end
    finished[#finished + 1] = id
    if has_awaiting(id) then
      letting_go[#letting_go + 1] = id
    end
  end
end

local MISSING, UNFINISHED, SUCCEEDED, FAILED = 0, 1, 2, 3

-- How a task or group stands as a parent; a group with a member that failed has failed once it is finished.
local function outcome_of(id)
  local t = task(id)
  if t then
    if t[F.CODE] < S.SUCCESSFUL then
      return UNFINISHED
    end
    return t[F.CODE] == S.SUCCESSFUL and SUCCEEDED or FAILED
  end
  local g = group(id)
  if not g then
    return MISSING
  elseif not is_group_finished(g) then
    return UNFINISHED
  end
  return g[3] == g[9] and SUCCEEDED or FAILED
end

-- Unique keys

local function key_row(key)
  local row = K[key]
  if row == nil then
    local record = call('HGET', P .. 'keys', key)
    row = record and cmsgpack.unpack(record)
    K[key] = row
  end
  return row
end

local function key_holder(key)
  local row = key_row(key)
  if not row or (row[2] and tonumber(row[2]) <= now) then
    return false
  end
  return row[1]
end

local function put_key(key, row)
  K[key] = row
  dirty_keys[key] = true
  if row and row[2] then
    zput('keytimers', key, tonumber(row[2]))
  else
    zdrop('keytimers', key)
  end
end

local function take_key(bonds, id)
  local at = bonds[B.UNTIL] == U.MOMENT and bonds[B.MOMENT] or false
  if not at or tonumber(at) > now then
    put_key(bonds[B.KEY], {id, at})
  end
end

local function drop_key(id, t, last_scope)
  local bonds = t[F.BONDS]
  if bonds and bonds[B.KEY] and bonds[B.UNTIL] <= last_scope then
    local row = key_row(bonds[B.KEY])
    if row and row[1] == id then
      put_key(bonds[B.KEY], false)
    end
  end
end

-- Edges: d2:<parent> has the children that wait for it, d1:<parent> unfinished ones that do no more, d0:<parent>
-- those that have finished.

-- Who waits for a task or group, however indirectly, as far as this step has looked: by that one a list of tasks and
-- groups, `seen` of them, and `first`, behind which it was not looked yet. New edges are noted; when one goes, all is
-- forgotten.
local waiters = {}

local function note_waiter(found, id, group_id)
  if not found.seen[id] then
    found.seen[id] = true
    found[#found + 1] = id
  end
  if group_id and not found.seen[group_id] then
    found.seen[group_id] = true
    found[#found + 1] = group_id
  end
end

local function each_once(parents)
  local found, seen = {}, {}
  for _, parent in ipairs(parents or {}) do
    if not seen[parent] then
      seen[parent] = true
      found[#found + 1] = parent
    end
  end
  return found
end

local function link(id, t, parents, is_done)
  local waits = 0
  for _, parent in ipairs(each_once(parents)) do
    local outcome = outcome_of(parent)
    if outcome ~= MISSING then
      local mark = is_done and 0 or (outcome == UNFINISHED and 2 or 1)
      zput('d' .. mark .. ':' .. parent, id, 0)
      if mark == 2 then
        waits = waits + 1
        for _, found in pairs(waiters) do
          if found.seen[parent] then
            note_waiter(found, id, t[F.BONDS][B.GROUP])
          end
        end
      end
    end
  end
  t[F.WAITS] = waits
end

local function drop_edges(id, parents)
  for _, parent in ipairs(each_once(parents)) do
    if next(waiters) and zhas('d2:' .. parent, id) then
      waiters = {}
    end
    for mark = 0, 2 do
      zdrop('d' .. mark .. ':' .. parent, id)
    end
  end
end

local function mark_edges_done(id, t)
  waiters = {}
  for _, parent in ipairs(each_once(t[F.BONDS][B.PARENTS])) do
    for mark = 1, 2 do
      if zhas('d' .. mark .. ':' .. parent, id) then
        zdrop('d' .. mark .. ':' .. parent, id)
        zput('d0:' .. parent, id, 0)
      end
    end
  end
  t[F.WAITS] = 0
end

-- Writing

local function finish(id, t)
  local bonds = t[F.BONDS]
  if bonds then
    if bonds[B.KEY] then
      drop_key(id, t, U.FINISHED)
    end
    if bonds[B.PARENTS] then
      mark_edges_done(id, t)
    end
  end
  finished[#finished + 1] = id
  if has_awaiting(id) then
    letting_go[#letting_go + 1] = id
  end
end

local function insert(id, t)
  put(id, t)
  fresh[#fresh + 1] = id
  stand(id, t)
  local code, bonds = t[F.CODE], t[F.BONDS]
  count(t[F.QUEUE], code, 1)
  if code <= S.LATER then
    note_ready(t[F.QUEUE], code)
  elseif code >= S.SUCCESSFUL then
    finished[#finished + 1] = id
  end
  if bonds then
    index_bonds(id, bonds, 0)
    local g = bonds[B.GROUP] and group(bonds[B.GROUP])
    if g then
      count_member(bonds[B.GROUP], g, code, 1)
      if code >= S.SUCCESSFUL then
        check_sealed(bonds[B.GROUP], g)
      end
    end
  end
end

local function attempts_of(id)
  local found = attempts[id]
  if not found then
    local kept = call('HGET', P .. 'attempts', id)
    found = kept and cmsgpack.unpack(kept) or {}
    attempts[id] = found
  end
  return found
end

local function note_attempt(id, attempt)
  local kept = attempts_of(id)
  while #kept > @ATTEMPTS_KEPT@ do
    table.remove(kept, 2)
  end
  kept[#kept + 1] = attempt
  dirty_attempts[id] = true
end

local function move(id, before, after)
  local source, target = before[F.CODE], after[F.CODE]
  if after.attempt then
    note_attempt(id, after.attempt)
    after.attempt = nil
  end
  leave(id, before)
  stand(id, after)
  put(id, after)
  if source ~= target or before[F.QUEUE] ~= after[F.QUEUE] then
    count(before[F.QUEUE], source, -1)
    count(after[F.QUEUE], target, 1)
  end
  if target <= S.LATER then
    note_ready(after[F.QUEUE], target)
  end
  if source == target or (source <= S.LATER and target <= S.LATER) then
    return
  end
  if target >= S.SUCCESSFUL then
    finish(id, after)
  end
  local bonds = after[F.BONDS]
  local g = bonds and bonds[B.GROUP] and group(bonds[B.GROUP])
  if g then
    count_member(bonds[B.GROUP], g, source, -1)
    count_member(bonds[B.GROUP], g, target, 1)
    if target >= S.SUCCESSFUL then
      check_sealed(bonds[B.GROUP], g)
    end
  end
end

local function transit(id, t, c)
  local after, verdict, why = step(t, c)
  if after then
    move(id, t, after)
  end
  return after, verdict, why
end

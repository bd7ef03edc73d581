-- New tasks and groups, unique keys and parents: one spec after the other, each sees those before it.
--
-- A spec is an array: 1 id, 2 name, 3 queue, 4 priority, 5 max_attempts, 6 max_crashes, 7 run_after, 8 expires_at,
-- 9 enqueued_at, 10 arguments, 11 options, 12 bonds; absent ones are false.

local failure

local function fail(...)
  failure = failure or {'!', ...}
end

local function fill(t, s)
  for i = 2, 12 do
    t[i + F.SPEC] = s[i]
  end
  if #s[10] > @BULK@ then
    arguments[s[1]] = s[10]
    t[F.ARGS] = false
  end
end

-- Take a new spec into a task that `t` becomes.
local function refill(t, after, s)
  fill(after, s)
  if not t[F.ARGS] and after[F.ARGS] then
    arguments[s[1]] = false
  end
end

local function new_task(s, code)
  local t = {code, 1, 0, s[7] or now, now, 0, 0, 0, 0, 0}
  for i = F.NONCE, F.LAST do
    t[i] = false
  end
  fill(t, s)
  if code == S.READY and tonumber(t[F.RUN_AFTER]) > now then
    t[F.CODE] = S.LATER
  end
  return t
end

-- Return how many parents are unfinished and whether one has failed; false and those that are not there.
local function count_parents(s)
  local waits, has_failed, missing = 0, false, {}
  local parents = each_once(s[12] and s[12][B.PARENTS])
  load_tasks(parents)
  for _, parent in ipairs(parents) do
    local outcome = outcome_of(parent)
    if outcome == MISSING then
      missing[#missing + 1] = parent
    elseif outcome == UNFINISHED then
      waits = waits + 1
    elseif outcome == FAILED then
      has_failed = true
    end
  end
  if #missing > 0 then
    return false, missing
  end
  return waits, has_failed
end

-- Return who waits for a task or group, however indirectly: as of `waiters`. `fresh` is what is about to be added: its
-- own `waiters`, and `specs` by parent.
local function all_waiters(id, fresh)
  local known = fresh and fresh.waiters or waiters
  local found = known[id]
  if not found then
    found = {id, seen = {[id] = true}, first = 1}
    known[id] = found
  end
  while found.first <= #found and #found <= @NODES@ do
    local node = found[found.first]
    found.first = found.first + 1
    local ids = awaiting_children(node, @NODES@)
    load_tasks(ids)
    for _, child in ipairs(ids) do
      local t = task(child)
      if t then
        note_waiter(found, child, t[F.BONDS][B.GROUP])
      end
    end
    for _, s in ipairs(fresh and fresh.specs[node] or {}) do
      note_waiter(found, s[1], s[12][B.GROUP])
    end
  end
  return found
end

-- Whether a task that is to wait for its unfinished parents would close a circle: one of them waits for it, or for its
-- group; as good as yes when too many wait.
local function waits_for_itself(id, bonds, fresh)
  local n = 0
  for _, root in ipairs(bonds[B.GROUP] and {id, bonds[B.GROUP]} or {id}) do
    local found = all_waiters(root, fresh)
    n = n + #found
    if found.first <= #found or n > @NODES@ then
      return true
    end
    for _, parent in ipairs(bonds[B.PARENTS] or {}) do
      if found.seen[parent] and ((fresh and fresh.specs[parent]) or outcome_of(parent) == UNFINISHED) then
        return true
      end
    end
  end
  return false
end

-- A REPLACE: the new call's parents and unique key take the place of the old ones.
local function replace(id, t, c)
  local s = c[C.SPEC]
  if not s or t[F.CODE] > S.BLOCKED then
    return transit(id, t, c)
  end
  local waits, has_failed = count_parents(s)
  if not waits then
    return false, V.REFUSED, 'MISSING_PARENT'
  end
  local old, new = t[F.BONDS] or {}, s[12] or {}
  if waits > 0 and waits_for_itself(id, new) then
    return false, V.REFUSED, 'CIRCLE'
  elseif (old[B.GROUP] or false) ~= (new[B.GROUP] or false) then
    return false, V.REFUSED, 'OTHER_GROUP'
  elseif new[B.KEY] then
    local holder = key_holder(new[B.KEY])
    if holder and holder ~= id then
      return false, V.REFUSED, 'KEY_HELD'
    end
  end
  c[C.WAITS] = waits
  local after, verdict, why = step(t, c)
  if not after then
    return after, verdict, why
  end
  index_bonds(id, old, false)
  index_bonds(id, new, 0)
  refill(t, after, s)
  move(id, t, after)
  if old[B.KEY] ~= new[B.KEY] or old[B.UNTIL] ~= new[B.UNTIL] or old[B.MOMENT] ~= new[B.MOMENT]
    or old[B.ON_CONFLICT] ~= new[B.ON_CONFLICT] then
    drop_key(id, t, U.MOMENT)
    if new[B.KEY] then
      take_key(new, id)
    end
  end
  drop_edges(id, old[B.PARENTS])
  link(id, after, new[B.PARENTS])
  if has_failed and not new[B.RUNS_ANYWAY] then
    return transit(id, after, {id, E.CANCEL, [C.REASON] = R.DEPENDENCY})
  end
  return after
end

local function answer_conflict(s, holder, is_raising)
  local bonds = s[12]
  local policy = bonds[B.ON_CONFLICT]
  if policy == O.RAISE and is_raising then
    return fail('conflict', s[1], s[2], bonds[B.KEY], holder)
  end
  local t = task(holder)
  if t and t[F.CODE] <= S.BLOCKED then
    if policy == O.REPLACE then
      if is_raising then
        local waits, missing = count_parents(s)
        if not waits then
          return fail('missing', s[1], s[2], missing)
        end
      end
      local kept, old = {unpack(s)}, t[F.BONDS] or {}
      kept[1], kept[9] = holder, t[F.ENQUEUED]
      kept[12] = {unpack(bonds)}
      kept[12][B.GROUP], kept[12][B.INDEX] = old[B.GROUP] or false, old[B.INDEX] or false
      local after, _, why = replace(holder, t, {holder, E.REPLACE, [C.SPEC] = kept})
      if after then
        return {A.REPLACED, holder}
      elseif is_raising then
        return fail('replace', holder, s[2], bonds[B.KEY], why)
      end
    elseif policy == O.RESCHEDULE then
      local moved = {holder}
      for i = 2, 12 do
        moved[i] = t[i + F.SPEC]
      end
      moved[3], moved[4], moved[7] = s[3], s[4], s[7]
      if transit(holder, t, {holder, E.RESCHEDULE, [C.SPEC] = moved}) then
        return {A.RESCHEDULED, holder}
      end
    end
  end
  return {A.EXISTING, holder}
end

local function check_open(s, id)
  local g = group(id)
  if not g then
    fail('no_group', s[1], s[2], id)
  elseif g[3] and stored_members(g) >= g[3] then
    fail('sealed', s[1], s[2], id, g[3])
  end
end

local function add_bound(s, is_raising)
  local id, bonds = s[1], s[12]
  local holder = bonds[B.KEY] and key_holder(bonds[B.KEY])
  if holder then
    return answer_conflict(s, holder, is_raising)
  end
  local waits, has_failed = count_parents(s)
  if not waits then
    return fail('missing', id, s[2], has_failed)
  end
  if bonds[B.GROUP] then
    check_open(s, bonds[B.GROUP])
    if failure then
      return
    end
  end
  local code = waits > 0 and S.BLOCKED or S.READY
  if has_failed and not bonds[B.RUNS_ANYWAY] then
    code = S.CANCELLED
  end
  local t = new_task(s, code)
  if code == S.BLOCKED and bonds[B.GROUP] and waits_for_itself(id, bonds) then
    return fail('circle', id, s[2], bonds[B.GROUP])
  end
  local is_done = code == S.CANCELLED
  if is_done then
    t[F.REASON] = R.DEPENDENCY
  end
  link(id, t, bonds[B.PARENTS], is_done)
  if bonds[B.KEY] and (not is_done or bonds[B.UNTIL] == U.MOMENT) then
    take_key(bonds, id)
  end
  insert(id, t)
  return {A.ADDED, id}
end

-- {id, name, created_at, total}
local function seal(wanted, specs, answers)
  local id, g = wanted[1], group(wanted[1])
  if not g[3] then
    local others = 0
    for i = 1, #specs do
      local bonds, verdict = specs[i][12], answers[i][1]
      if bonds and bonds[B.GROUP] == id and verdict ~= A.ADDED and verdict ~= A.ALREADY then
        others = others + 1
      end
    end
    local total = wanted[4] - others - g[5]
    if total < stored_members(g) then
      return fail('seal', id, wanted[4], stored_members(g))
    end
    g[3] = total
    dirty_groups[id] = true
  end
  if not g[4] then
    check_sealed(id, g)
  end
end

-- Add specs; return an answer for each, or nil when `failure` says why nothing is to be written.
local function add(specs, wanted_group, is_raising)
  local answers, ids = {}, {}
  if wanted_group and not group(wanted_group[1]) then
    local id, name = wanted_group[1], wanted_group[2]
    G[id] = {name, wanted_group[3], false, false, 0, 0, 0, 0, 0, 0, 0}
    dirty_groups[id] = true
    zput('gids', id, 0)
    zput('gn:' .. name, id, 0)
  end
  for i = 1, #specs do
    ids[i] = specs[i][1]
  end
  load_tasks(ids)
  for i = 1, #specs do
    local s = specs[i]
    local id = s[1]
    if T[id] then
      answers[i] = {A.ALREADY, id}
    elseif not s[12] or not (s[12][B.KEY] or s[12][B.PARENTS] or s[12][B.GROUP]) then
      insert(id, new_task(s, S.READY))
      answers[i] = {A.ADDED, id}
    else
      answers[i] = add_bound(s, is_raising)
      if failure then
        return
      end
    end
  end
  if wanted_group and wanted_group[4] then
    seal(wanted_group, specs, answers)
    if failure then
      return
    end
  end
  let_go()
  return answers
end

-- Does another task stand for one that asks for this key? Not the one that is leaving: it gives the key back.
local function is_key_held(key, leaving)
  local holder = key_holder(key)
  return holder and not (leaving and holder == leaving[1] and leaving[2][F.BONDS][B.UNTIL] < U.MOMENT)
end

-- Why add() of these specs would fail, or nil when it would not. `leaving` is {id, task} of one that finishes with it.
local function find_problem(specs, leaving)
  local known, joining, taken, fresh = {}, {}, {}, {specs = {}, waiters = {}}
  for _, s in ipairs(specs) do
    local id, bonds = s[1], s[12]
    local key = bonds and bonds[B.KEY]
    if not known[id] and not task(id) and not (key and (taken[key] or is_key_held(key, leaving))) then
      known[id] = true
      if key then
        taken[key] = true
      end
      local waits = false
      for _, parent in ipairs(bonds and bonds[B.PARENTS] or {}) do
        local outcome = known[parent] and UNFINISHED or outcome_of(parent)
        if outcome == MISSING then
          return 'MISSING_PARENT'
        elseif outcome == UNFINISHED then
          waits = true
          fresh.specs[parent] = fresh.specs[parent] or {}
          table.insert(fresh.specs[parent], s)
          for _, found in pairs(fresh.waiters) do
            if found.seen[parent] then
              note_waiter(found, id, bonds[B.GROUP])
            end
          end
        end
      end
      local group_id = bonds and bonds[B.GROUP]
      if group_id then
        local g = group(group_id)
        joining[group_id] = (joining[group_id] or 0) + 1
        if not g then
          return 'MISSING_GROUP'
        elseif g[3] and stored_members(g) + joining[group_id] > g[3] then
          return 'SEALED_GROUP'
        elseif waits and waits_for_itself(id, bonds, fresh) then
          return 'CIRCLE'
        end
      end
    end
  end
end

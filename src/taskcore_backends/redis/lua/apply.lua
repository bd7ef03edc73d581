-- uses: base ids store step moving propagation adding reply claiming
-- Make changes, each compared before it is set, then claim.
-- ARGV: 2 a request {worker, nonce, queues, limit, lease, allow_suspects} or '', 3… changes, packed.
-- Reply: {applied, claimed, now}: for each change version * 8 + code if it was applied and no cancel is wanted, else
-- {verdict, code, version, cancel level, why}; the tasks claimed, in brief or whole (reply.lua). Or {'!', what is
-- wrong, …}, as of add, and then nothing was written.
-- Complexity: O((m + n) log N) for m changes and n claimed. All changes together let go PROPAGATION_LIMIT dependents at
-- most, and so does housekeeping, which sees to some hundred tasks of each other kind.
-- KEYS: 1 layout, 2 room (base.lua).

local changes, ids = {}, {}
may_overflow = true
for i = 3, #ARGV do
  local c = cmsgpack.unpack(ARGV[i])
  changes[i - 2], ids[i - 2] = c, c[C.ID]
  if c[C.TASKS] then
    may_overflow = false
  end
end
load_tasks(ids)

local function same_list(a, b)
  a, b = a or {}, b or {}
  if #a ~= #b then
    return false
  end
  for i = 1, #a do
    if a[i] ~= b[i] then
      return false
    end
  end
  return true
end

local function has_same_bonds(t, s)
  local old, new = t[F.BONDS] or {}, s[12] or {}
  for _, i in ipairs({B.KEY, B.UNTIL, B.MOMENT, B.ON_CONFLICT, B.GROUP, B.INDEX, B.SCHEDULE, B.SLOT}) do
    if (old[i] or false) ~= (new[i] or false) then
      return false
    end
  end
  return same_list(old[B.PARENTS], new[B.PARENTS])
end

local function amend(id, t, c)
  local s = c[C.SPEC]
  if not s then
    return transit(id, t, c)
  elseif not has_same_bonds(t, s) then
    return false, V.REFUSED, 'OTHER_BONDS'
  end
  local after, verdict, why = step(t, c)
  if after then
    refill(t, after, s)
    move(id, t, after)
  end
  return after, verdict, why
end

local function requeue(id, t, c)
  local bonds = t[F.BONDS]
  if t[F.CODE] <= S.SUCCESSFUL or not bonds then
    c[C.WAITS] = 0
    return transit(id, t, c)
  end
  local waits = 0
  for _, parent in ipairs(each_once(bonds[B.PARENTS])) do
    local outcome = outcome_of(parent)
    if outcome == FAILED and not bonds[B.RUNS_ANYWAY] then
      return false, V.REFUSED, 'PARENT_FAILED'
    end
    waits = waits + (outcome == UNFINISHED and 1 or 0)
  end
  local takes_key = bonds[B.KEY] and bonds[B.UNTIL] == U.FINISHED
  local holder = takes_key and key_holder(bonds[B.KEY])
  if holder and holder ~= id then
    return false, V.REFUSED, 'KEY_HELD'
  elseif waits > 0 and waits_for_itself(id, bonds) then
    return false, V.REFUSED, 'CIRCLE'
  end
  c[C.WAITS] = waits
  local after, verdict, why = transit(id, t, c)
  if after then
    if takes_key then
      take_key(bonds, id)
    end
    drop_edges(id, bonds[B.PARENTS])
    link(id, after, bonds[B.PARENTS])
  end
  return after, verdict, why
end

local function store_items(id, items)
  local key = P .. 'x:' .. id
  for _, item in ipairs(items) do
    local place = string.sub(item, 1, 32)
    if #call('ZRANGEBYLEX', key, '[' .. place, '(' .. place .. '\255', 'LIMIT', 0, 1) == 0 then
      call('ZADD', key, 0, item)
    end
  end
end

-- The two that are nearly all there is, without the interpreter; a test holds them to it.
local function settle_quickly(id, t, c)
  leave(id, t)
  count(t[F.QUEUE], S.RUNNING, -1)
  count(t[F.QUEUE], S.SUCCESSFUL, 1)
  t[F.CODE], t[F.VERSION], t[F.CHANGED_AT] = S.SUCCESSFUL, t[F.VERSION] + 1, now
  t[F.SETTLE], t[F.CLAIMED_AT], t[F.LEASE_EXPIRES], t[F.IS_STARTED] = E.SUCCEED, false, false, false
  t[F.PROGRESS] = c[C.PROGRESS] or t[F.PROGRESS]
  t[F.VALUE], t[F.STARTED_AT], t[F.FAILURE] = c[C.VALUE] or false, c[C.STARTED_AT] or false, false
  t[F.CANCEL], t[F.REASON] = false, false
  stand(id, t)
  put(id, t)
  finish(id, t)
  local bonds = t[F.BONDS]
  local g = bonds and bonds[B.GROUP] and group(bonds[B.GROUP])
  if g then
    count_member(bonds[B.GROUP], g, S.RUNNING, -1)
    count_member(bonds[B.GROUP], g, S.SUCCESSFUL, 1)
    check_sealed(bonds[B.GROUP], g)
  end
end

local function extend_quickly(id, t, c)
  t[F.VERSION] = t[F.VERSION] + 1
  if c[C.EXTEND] then
    t[F.LEASE_EXPIRES] = math.max(t[F.LEASE_EXPIRES], now + tonumber(c[C.EXTEND]))
    zput('leases', id, t[F.LEASE_EXPIRES])
  end
  t[F.PROGRESS] = c[C.PROGRESS] or t[F.PROGRESS]
  put(id, t)
end

local function change_task(id, t, c)
  local event = c[C.EVENT]
  if not c[C.TASKS] and is_held(t, c) then
    if event == E.SUCCEED then
      settle_quickly(id, t, c)
      return t
    elseif event == E.HEARTBEAT then
      extend_quickly(id, t, c)
      return t
    end
  end
  local is_special = event >= E.UNBLOCK
  if is_special and c[C.TASKS] then
    local problem = find_problem(c[C.TASKS])
    if problem then
      return false, V.REFUSED, problem
    end
  end
  if event == E.UNBLOCK then
    c[C.WAITS] = t[F.WAITS]
  elseif event == E.AMEND or event == E.RESCHEDULE then
    return amend(id, t, c)
  elseif event == E.REPLACE then
    return replace(id, t, c)
  elseif event == E.REQUEUE then
    return requeue(id, t, c)
  end
  local after, verdict, why = step(t, c)
  if after then
    local problem = c[C.TASKS] and not is_special
      and find_problem(c[C.TASKS], after[F.CODE] >= S.SUCCESSFUL and {id, t} or nil)
    if problem then
      return false, V.REFUSED, problem
    end
    move(id, t, after)
  end
  return after, verdict, why
end

local function apply_one(c)
  local id = c[C.ID]
  local t = task(id)
  if not t then
    return {V.MISSING, false, 0, false, false}
  end
  local after, verdict, why = change_task(id, t, c)
  if not after then
    return {verdict, t[F.CODE], t[F.VERSION], t[F.CANCEL], why}
  end
  local answer = after[F.VERSION] * 8 + after[F.CODE]
  if after[F.CANCEL] then
    answer = {V.APPLIED, after[F.CODE], after[F.VERSION], after[F.CANCEL], false}
  end
  if c[C.TASKS] then
    add(c[C.TASKS], false, false)
  end
  if #letting_go > 0 then
    let_go()
  end
  return answer
end

local applied, with_items = {}, {}
for i = 1, #changes do
  applied[i] = apply_one(changes[i])
  if changes[i][C.ITEMS] and (type(applied[i]) == 'number' or applied[i][1] == V.APPLIED) then
    with_items[#with_items + 1] = changes[i]
  end
end
if failure then
  return failure
end
flush()
for _, c in ipairs(with_items) do
  store_items(c[C.ID], c[C.ITEMS])
end
local claimed = {}
if ARGV[2] ~= '' then
  claimed = claim(cmsgpack.unpack(ARGV[2]))
end
announce()
return {applied, claimed, now}

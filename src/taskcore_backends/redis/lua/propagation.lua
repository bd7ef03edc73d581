-- The dependents that finishes let go: up to PROPAGATION_LIMIT a step, however many finish in it; the rest is owed.

local function let_child_go(parent, id, outcome)
  waiters = {}
  zdrop('d2:' .. parent, id)
  zput('d1:' .. parent, id, 0)
  local t = task(id)
  if not t then
    return
  end
  t[F.WAITS] = t[F.WAITS] - 1
  put(id, t)
  if outcome == FAILED and not t[F.BONDS][B.RUNS_ANYWAY] then
    transit(id, t, {id, E.CANCEL, [C.REASON] = R.DEPENDENCY})
  elseif t[F.WAITS] == 0 then
    transit(id, t, {id, E.UNBLOCK})
  end
end

-- What one step may still move, over all of its finishes.
local budget = @PROPAGATION@

local function let_children_go(parent)
  local outcome, ids = outcome_of(parent), {}
  if outcome >= SUCCEEDED then
    ids = awaiting_children(parent, budget + 1)
  end
  if #ids > budget then
    ids[#ids] = nil
    if not zhas('owed', parent) then
      zput('owed', parent, now)
    end
  else
    zdrop('owed', parent)
  end
  load_tasks(ids)
  for _, id in ipairs(ids) do
    let_child_go(parent, id, outcome)
  end
  budget = budget - #ids
end

local function let_go()
  local first = 1
  while first <= #letting_go do
    let_children_go(letting_go[first])
    first = first + 1
  end
  letting_go = {}
end

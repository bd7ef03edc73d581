-- The interpreter of the transition table. The table is generated from taskcore.protocol.TRANSITIONS when the scripts
-- are loaded; guards and effects are the Lua of those of the same names in the core. CLAIM has a place of its own.
local LAST_MOMENT = 253402300799999999

local function moment(value)
  if value < 9007199254740992 then
    return value
  end
  if value >= LAST_MOMENT then
    return '253402300799999999'
  end
  return string.format('%.0f', value)
end

local function is_suspect(t)
  return t[F.MAX_CRASHES] == 0 or t[F.CRASHES] > 0
end

local function counted_crashes(t)
  if is_suspect(t) and not (t[F.CODE] == S.RUNNING and t[F.IS_STARTED]) then
    return t[F.CRASHES]
  end
  return t[F.CRASHES] + 1
end

local function is_overdue(t)
  return t[F.EXPIRES] and tonumber(t[F.EXPIRES]) <= now or false
end

local function is_held(t, c)
  return c[C.NONCE] and t[F.CODE] == S.RUNNING and c[C.EPOCH] == t[F.EPOCH] and c[C.NONCE] == t[F.NONCE] or false
end

local function is_lapsed(t)
  return t[F.CODE] == S.RUNNING and t[F.LEASE_EXPIRES] <= now
end

local machine

local function make_machine()
  local guards = {
    OVERDUE = is_overdue,
    HELD = is_held,
    LAPSED = is_lapsed,
    HELD_OR_LAPSED = function(t, c)
      if c[C.NONCE] then
        return is_held(t, c)
      end
      return is_lapsed(t)
    end,
    CANCEL_WANTED = function(t) return t[F.CANCEL] ~= false end,
    NO_CANCEL_WANTED = function(t) return t[F.CANCEL] == false end,
    TRIES_LEFT = function(t) return not t[F.MAX_ATTEMPTS] or t[F.FAILURES] + 1 < t[F.MAX_ATTEMPTS] end,
    CRASHES_LEFT = function(t) return counted_crashes(t) <= t[F.MAX_CRASHES] end,
    CRASHES_SPENT = function(t) return counted_crashes(t) > t[F.MAX_CRASHES] end,
    NOTHING_TO_WAIT_FOR = function(_, c) return (c[C.WAITS] or 0) == 0 end,
    PARENTS_UNFINISHED = function(_, c) return (c[C.WAITS] or 0) > 0 end,
    SAME_VERSION = function(t, c) return not c[C.VERSION] or c[C.VERSION] == t[F.VERSION] end,
    SAME_ID = function(_, c) return c[C.SPEC] and c[C.SPEC][1] == c[C.ID] or false end,
  }
  local function take_failure(t, c, new)
    new[F.VALUE] = false
    new[F.FAILURE] = c[C.FAILURE] or false
    new[F.STARTED_AT] = c[C.STARTED_AT] or false
  end
  local effects = {
    CLEAR_CANCEL = function(_, _, new)
      new[F.CANCEL] = false
      if not new.has_reason then
        new[F.REASON] = false
      end
    end,
    MARK_STARTED = function(_, _, new) new[F.IS_STARTED] = true end,
    EXTEND_LEASE = function(t, c, new)
      if c[C.EXTEND] then
        new[F.LEASE_EXPIRES] = moment(math.max(t[F.LEASE_EXPIRES], now + tonumber(c[C.EXTEND])))
      end
    end,
    TAKE_PROGRESS = function(_, c, new)
      if c[C.PROGRESS] then
        new[F.PROGRESS] = c[C.PROGRESS]
      end
    end,
    SETTLE = function(_, c, new)
      new[F.SETTLE] = c[C.EVENT]
      new[F.CLAIMED_AT], new[F.LEASE_EXPIRES], new[F.IS_STARTED] = false, false, false
    end,
    TAKE_VALUE = function(_, c, new)
      new[F.VALUE] = c[C.VALUE] or false
      new[F.FAILURE] = false
      new[F.STARTED_AT] = c[C.STARTED_AT] or false
    end,
    TAKE_FAILURE = take_failure,
    LOSE_WORKER = function(t, c, new)
      take_failure(t, c, new)
      if not c[C.FAILURE] then
        new[F.FAILURE] = string.format('@WORKER_LOST@', counted_crashes(t), t[F.MAX_CRASHES])
      end
    end,
    COUNT_FAILURE = function(t, _, new) new[F.FAILURES] = t[F.FAILURES] + 1 end,
    COUNT_CRASH = function(t, _, new) new[F.CRASHES] = counted_crashes(t) end,
    COUNT_RELEASE = function(t, _, new) new[F.RELEASES] = t[F.RELEASES] + 1 end,
    NOTE_ATTEMPT = function(t, c, new)
      new.attempt = {
        t[F.EPOCH], c[C.EVENT], t[F.WORKER], t[F.CLAIMED_AT], c[C.STARTED_AT] or false, now, c[C.FAILURE] or false,
      }
      new[F.HAS_ATTEMPTS] = 1
    end,
    SET_RUN_AFTER = function(_, c, new)
      if c[C.RUN_AFTER] then
        new[F.RUN_AFTER] = c[C.RUN_AFTER]
      elseif c[C.DELAY] then
        new[F.RUN_AFTER] = moment(now + tonumber(c[C.DELAY]))
      elseif c[C.SPEC] and new[F.WANTED] then
        new[F.RUN_AFTER] = new[F.WANTED]
      else
        new[F.RUN_AFTER] = now
      end
    end,
    BACK_OFF = function(t, _, new)
      local crashes = counted_crashes(t)
      new[F.RUN_AFTER] = now + (crashes < 2 and 0 or min(60, 2 ^ min(crashes - 2, 6))) * 1000000
    end,
    WANT_CANCEL = function(t, c, new)
      local asked = c[C.LEVEL] or 1
      if not t[F.CANCEL] or asked > t[F.CANCEL] then
        new[F.CANCEL] = asked
      end
      new[F.REASON] = t[F.REASON] or c[C.REASON] or R.USER
    end,
    GIVE_REASON = function(t, c, new)
      if c[C.EVENT] == E.EXPIRE then
        new[F.REASON] = R.EXPIRED
      elseif c[C.EVENT] == E.CANCEL then
        new[F.REASON] = c[C.REASON] or R.USER
      else
        new[F.REASON] = t[F.REASON] or c[C.REASON] or R.ABORTED
      end
      new.has_reason = true
    end,
    TAKE_SPEC = function(_, c, new)
      for i = 2, 12 do
        new[i + F.SPEC] = c[C.SPEC][i]
      end
    end,
    START_OVER = function(_, _, new)
      new[F.FAILURES], new[F.CRASHES], new[F.RELEASES] = 0, 0, 0
      new[F.VALUE], new[F.FAILURE], new[F.STARTED_AT], new[F.PROGRESS] = false, false, false, false
      new[F.CANCEL], new[F.REASON] = false, false
    end,
    DROP_PAST_EXPIRY = function(t, _, new)
      if is_overdue(t) then
        new[F.EXPIRES] = false
      end
    end,
  }
  return @TRANSITIONS@, guards, effects
end

-- Return the verdict and why: what a change that the machine does not allow is answered.
local function refuse(t, c, failing)
  local event = c[C.EVENT]
  if c[C.NONCE] and (not failing or failing == 'HELD' or failing == 'HELD_OR_LAPSED') then
    if t[F.SETTLE] == event and t[F.EPOCH] == c[C.EPOCH] and t[F.NONCE] == c[C.NONCE] then
      return V.ALREADY, 'ALREADY'
    end
    return V.STALE, 'STALE'
  end
  if not failing then
    if event == E.CANCEL and t[F.CODE] == S.CANCELLED then
      return V.ALREADY, 'CANCELLED'
    end
    return V.REFUSED, 'NO_ROW'
  end
  return V.REFUSED, failing
end

-- Return the task after a change, or false, the verdict and why it stays as it is. `t` itself is not changed.
local function step(t, c)
  machine = machine or {make_machine()}
  local table_, guards, effects = machine[1], machine[2], machine[3]
  local code, failing = t[F.CODE], nil
  for _, row in ipairs((table_[c[C.EVENT]] or {})[code == S.LATER and S.READY or code] or {}) do
    local is_fit = true
    for _, guard in ipairs(row[2]) do
      if not guards[guard](t, c) then
        failing, is_fit = failing or guard, false
        break
      end
    end
    if is_fit then
      local new = {}
      for i = 1, F.LAST do
        new[i] = t[i]
      end
      new[F.VERSION] = t[F.VERSION] + 1
      local source = code == S.LATER and S.READY or code
      if row[1] ~= source then
        new[F.CODE], new[F.CHANGED_AT] = row[1], now
      end
      for _, effect in ipairs(row[3]) do
        effects[effect](t, c, new)
      end
      new.has_reason = nil
      if row[1] == S.READY then
        new[F.CODE] = tonumber(new[F.RUN_AFTER]) > now and S.LATER or S.READY
      end
      return new
    end
  end
  return false, refuse(t, c, failing)
end

-- Housekeeping, then due tasks to a worker: highest priority, run_after in milliseconds, id.
--
-- A suspect (a task that needs START) is claimed alone: the batch ends before it, unless it is the first.

local function due_ids(key, limit)
  return call('ZRANGEBYSCORE', P .. key, '-inf', string.format('%.0f', now), 'LIMIT', 0, limit)
end

local function see_to_leases()
  local ids = due_ids('leases', @LEASES@)
  load_tasks(ids)
  for _, id in ipairs(ids) do
    local t = T[id]
    if t then
      local event = E.RECLAIM
      if t[F.CANCEL] then
        event = E.LET_GO
      elseif counted_crashes(t) > t[F.MAX_CRASHES] then
        event = E.ABANDON
      end
      local after = transit(id, t, {id, event})
      if after and after[F.CODE] <= S.LATER and is_overdue(after) then
        transit(id, after, {id, E.EXPIRE})
      end
    end
  end
end

local function see_to_expiries()
  local ids = due_ids('expiry', @EXPIRIES@)
  load_tasks(ids)
  for _, id in ipairs(ids) do
    if T[id] then
      transit(id, T[id], {id, E.EXPIRE})
    end
  end
end

-- READY tasks that have become due, or are not due any more as the clock was set back, change their place.
local function put_in_place(id, t)
  local code = tonumber(t[F.RUN_AFTER]) > now and S.LATER or S.READY
  if code ~= t[F.CODE] then
    leave(id, t)
    count(t[F.QUEUE], t[F.CODE], -1)
    t[F.CODE] = code
    count(t[F.QUEUE], code, 1)
    stand(id, t)
    put(id, t)
    note_ready(t[F.QUEUE], code)
  end
end

local function see_to_due()
  local ids = due_ids('later', @PROMOTIONS@)
  load_tasks(ids)
  for _, id in ipairs(ids) do
    if T[id] then
      put_in_place(id, T[id])
    end
  end
end

local function keep_house()
  see_to_leases()
  flush_zset('expiry')
  see_to_expiries()
  flush_zset('later')
  see_to_due()
  for _, key in ipairs(due_ids('keytimers', @EXPIRIES@)) do
    local row = key_row(key)
    if row and row[2] and tonumber(row[2]) <= now then
      put_key(key, false)
    end
  end
  local owed = call('ZRANGE', P .. 'owed', 0, @PROPAGATION@ - 1)
  if #owed > 0 then
    for _, parent in ipairs(letting_go) do
      owed[#owed + 1] = parent
    end
    letting_go = owed
  end
  budget = @PROPAGATION@ -- a step of its own: what changes before it have finished does not hold up what is owed
  let_go()
end

-- The order of claims over several queues

local function stream(key, chunk, is_suspect)
  local entries, at, offset = {}, 1, 0
  local one = {is_suspect = is_suspect}
  function one.next()
    if at > #entries and (offset == 0 or #entries == 2 * chunk) then
      entries, at = call('ZRANGE', P .. key, offset, offset + chunk - 1, 'WITHSCORES'), 1
      offset = offset + chunk
      local ids = {}
      for i = 1, #entries, 2 do
        ids[#ids + 1] = entries[i]
      end
      load_tasks(ids)
    end
    one.id, one.score = entries[at], tonumber(entries[at + 1])
    at = at + 2
  end
  return one
end

-- The first of all; who was taken last steps on only now, when another one is wanted.
local function first_of(streams, taken)
  local best
  if taken then
    taken.next()
  end
  for _, one in ipairs(streams) do
    if one.id and (not best or one.score < best.score or (one.score == best.score and is_less(one.id, best.id))) then
      best = one
    end
  end
  return best
end

local function is_paused(queue)
  return call('SISMEMBER', P .. 'paused', queue) == 1
end

local function take(id, t, r)
  leave(id, t)
  count(t[F.QUEUE], t[F.CODE], -1)
  t[F.CODE], t[F.VERSION], t[F.EPOCH], t[F.CHANGED_AT] = S.RUNNING, t[F.VERSION] + 1, t[F.EPOCH] + 1, now
  t[F.NONCE], t[F.WORKER], t[F.CLAIMED_AT], t[F.LEASE_EXPIRES] = r.nonce, r.worker, now, now + r.lease
  t[F.IS_STARTED], t[F.SETTLE], t[F.CANCEL], t[F.REASON] = false, false, false, false
  count(t[F.QUEUE], S.RUNNING, 1)
  zput('leases', id, t[F.LEASE_EXPIRES])
  put(id, t)
  local bonds = t[F.BONDS]
  if bonds then
    drop_key(id, t, U.STARTED)
    local g = bonds[B.GROUP] and group(bonds[B.GROUP])
    if g then
      count_member(bonds[B.GROUP], g, S.READY, -1)
      count_member(bonds[B.GROUP], g, S.RUNNING, 1)
    end
  end
end

-- One queue, and no suspects in it: no order has to be made.
local function choose_plainly(queue, wanted)
  local ids = call('ZRANGE', P .. 'r:' .. queue, 0, wanted - 1)
  load_tasks(ids)
  for _, id in ipairs(ids) do
    local t = T[id]
    if not t or is_overdue(t) or tonumber(t[F.RUN_AFTER]) > now then
      return nil
    end
  end
  return ids
end

local function choose(r, wanted, has_others)
  if #r.queues == 1 and not is_paused(r.queues[1]) and call('EXISTS', P .. 'u:' .. r.queues[1]) == 0 then
    local chosen = choose_plainly(r.queues[1], wanted)
    if chosen then
      for _, id in ipairs(chosen) do
        take(id, T[id], r)
      end
      return chosen
    end
  end
  local streams, chosen, unfit = {}, {}, {}
  local chunk = #r.queues == 1 and wanted or min(wanted, 16)
  for _, queue in ipairs(r.queues) do
    if not is_paused(queue) then
      streams[#streams + 1] = stream('r:' .. queue, chunk, false)
      if r.allow_suspects then
        streams[#streams + 1] = stream('u:' .. queue, 1, true)
      end
    end
  end
  for _, one in ipairs(streams) do
    one.next()
  end
  local one
  while #chosen < wanted and #unfit < @UNFIT@ do
    one = first_of(streams, one)
    if not one then
      break
    end
    local id, t = one.id, T[one.id]
    if not t or is_overdue(t) or tonumber(t[F.RUN_AFTER]) > now then
      unfit[#unfit + 1] = id
    elseif one.is_suspect and (#chosen > 0 or has_others) then
      break
    else
      chosen[#chosen + 1] = id
      if one.is_suspect then
        break
      end
    end
  end
  for _, id in ipairs(unfit) do
    if T[id] and not is_overdue(T[id]) then
      put_in_place(id, T[id])
    end
  end
  for _, id in ipairs(chosen) do
    take(id, T[id], r)
  end
  return chosen
end

local function still_held(r)
  local packed = call('HGET', P .. 'c:' .. r.worker, r.nonce)
  local held = {}
  if packed then
    local ids = cmsgpack.unpack(packed)
    load_tasks(ids)
    for _, id in ipairs(ids) do
      local t = T[id]
      if t and t[F.CODE] == S.RUNNING and t[F.NONCE] == r.nonce and t[F.WORKER] == r.worker then
        held[#held + 1] = id
      end
    end
    table.sort(held, function(a, b)
      local one, other = rank(T[a]), rank(T[b])
      return one < other or (one == other and is_less(a, b))
    end)
  end
  return held, packed
end

local function forget_claims(worker)
  call('DEL', P .. 'c:' .. worker, P .. 'n:' .. worker)
  call('ZREM', P .. 'claimers', worker)
end

-- What a repeat of this request is answered. The latest claims of a worker are kept, for a day.
local function remember(r, ids, is_known)
  call('HSET', P .. 'c:' .. r.worker, r.nonce, cmsgpack.pack(ids))
  if is_known then
    return
  end
  call('ZADD', P .. 'claimers', now, r.worker)
  local n = call('LPUSH', P .. 'n:' .. r.worker, r.nonce)
  if n > @NONCES@ then
    call('HDEL', P .. 'c:' .. r.worker, call('RPOP', P .. 'n:' .. r.worker))
  elseif n == 1 then
    local silent = string.format('%.0f', now - @NONCES_KEPT@)
    for _, worker in ipairs(call('ZRANGEBYSCORE', P .. 'claimers', '-inf', silent, 'LIMIT', 0, 10)) do
      forget_claims(worker)
    end
  end
end

-- A queue that still has something to claim has a marker: one of those who wait pops it, and claims. A paused one has
-- none: whoever popped it would claim nothing, and put it back.
local function mark(r, n)
  for _, queue in ipairs(r.queues) do
    ready[queue] = nil
    if call('EXISTS', P .. 'r:' .. queue, P .. 'u:' .. queue) > 0 then
      if not is_paused(queue) then
        overflow_if_allowed()
        call('ZADD', P .. 'm:' .. queue, 0, '0')
      end
    elseif n > 0 and call('EXISTS', P .. 'later') == 0 then
      call('DEL', P .. 'm:' .. queue)
    end
  end
end

-- {worker, nonce, queues, limit, lease, allow_suspects}
local function claim(packed)
  local r = {worker = packed[1], nonce = packed[2], queues = each_once(packed[3]), lease = packed[5],
    allow_suspects = packed[6]}
  keep_house()
  flush()
  local held, is_known = still_held(r)
  local answers = replies(held)
  for _, id in ipairs(held) do
    if is_suspect(T[id]) then
      return answers
    end
  end
  if packed[4] > #held then
    local chosen = choose(r, packed[4] - #held, #held > 0)
    flush()
    if #chosen > 0 then
      for _, id in ipairs(chosen) do
        held[#held + 1] = id
        answers[#answers + 1] = brief(id, T[id]) or replies({id})[1]
      end
      remember(r, held, is_known)
    end
    mark(r, #chosen)
  end
  return answers
end

-- Tasks as answers: the fields of the record after the id, then the attempts.

-- What is new of a task that was claimed just now, when it has nothing unusual; nil when it has.
local function brief(id, t)
  if t[F.ARGS] and t[F.HAS_ATTEMPTS] + t[F.FAILURES] + t[F.CRASHES] + t[F.RELEASES] == 0
    and not (t[F.BONDS] or t[F.OPTIONS] or t[F.WANTED] or t[F.EXPIRES] or t[F.PROGRESS]) then
    return {
      id, t[F.VERSION], t[F.EPOCH], t[F.RUN_AFTER], t[F.NAME], t[F.QUEUE], t[F.PRIORITY], t[F.MAX_ATTEMPTS],
      t[F.MAX_CRASHES], t[F.ENQUEUED], t[F.ARGS],
    }
  end
end
local function replies(ids)
  local bulky, tried = {}, {}
  for _, id in ipairs(ids) do
    local t = T[id]
    if t and not t[F.ARGS] then
      bulky[#bulky + 1] = id
    end
    if t and t[F.HAS_ATTEMPTS] == 1 then
      tried[#tried + 1] = id
    end
  end
  local texts, lists = {}, {}
  for first = 1, #bulky, AT_ONCE do
    local found = call('HMGET', P .. 'args', unpack(bulky, first, min(first + AT_ONCE - 1, #bulky)))
    for i = 1, #found do
      texts[bulky[first + i - 1]] = found[i]
    end
  end
  for first = 1, #tried, AT_ONCE do
    local found = call('HMGET', P .. 'attempts', unpack(tried, first, min(first + AT_ONCE - 1, #tried)))
    for i = 1, #found do
      lists[tried[first + i - 1]] = found[i] and cmsgpack.unpack(found[i])
    end
  end
  local answers = {}
  for i, id in ipairs(ids) do
    local t = T[id]
    local answer = false
    if t then
      answer = {id, unpack(t, 1, F.LAST)}
      answer[F.ARGS + 1] = t[F.ARGS] or texts[id] or ''
      answer[F.LAST + 2] = lists[id] or false
    end
    answers[i] = answer
  end
  return answers
end

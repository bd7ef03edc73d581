-- uses: base ids store
-- Return what ranks finished tasks. ARGV: 2… ids. Reply: {code, changed_at, queue, name, group} for each that has
-- finished, else nil. Complexity: O(n).
-- KEYS: 1 layout, 2 room (base.lua).
local ids, answers = {}, {}
for i = 2, #ARGV do
  ids[i - 1] = ARGV[i]
end
load_tasks(ids)
for i, id in ipairs(ids) do
  local t = T[id]
  answers[i] = false
  if t and t[F.CODE] >= S.SUCCESSFUL then
    answers[i] = {t[F.CODE], t[F.CHANGED_AT], t[F.QUEUE], t[F.NAME], t[F.BONDS] and t[F.BONDS][B.GROUP] or false}
  end
end
return answers

-- uses: base ids store
-- Return groups. ARGV: 2 'ids' or 'page', then ids; or a name or '', the id before which to begin or '', how many.
-- Reply: {id, the fields of its row} for each that is there. Complexity: O(log N + n).
-- KEYS: 1 layout, 2 room (base.lua).
local ids = {}
if ARGV[2] == 'ids' then
  for i = 3, #ARGV do
    ids[i - 2] = ARGV[i]
  end
else
  local key = ARGV[3] == '' and 'gids' or 'gn:' .. ARGV[3]
  ids = call('ZREVRANGEBYLEX', P .. key, ARGV[4] == '' and '+' or '(' .. ARGV[4], '-', 'LIMIT', 0, ARGV[5])
end
local answers = {}
for _, id in ipairs(ids) do
  local g = group(id)
  if g then
    answers[#answers + 1] = {id, unpack(g)}
  end
end
return answers

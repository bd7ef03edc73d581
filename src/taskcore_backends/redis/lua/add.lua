-- uses: base ids store step moving propagation adding
-- Store new tasks, all or none.
-- ARGV: 2 a group {id, name, created_at, total} or '', 3 is_raising '1' or '0', 4… specs (see adding.lua), packed.
-- Reply: {verdict, id} for each; or {'!', what is wrong, …}, and then nothing was written.
-- Complexity: O(n log N) for n specs, and up to PROPAGATION_LIMIT dependents of what finishes at once.
-- KEYS: 1 layout, 2 room (base.lua).
local specs = {}
for i = 4, #ARGV do
  specs[i - 3] = cmsgpack.unpack(ARGV[i])
end
local answers = add(specs, ARGV[2] ~= '' and cmsgpack.unpack(ARGV[2]), ARGV[3] == '1')
if failure then
  return failure
end
if not layout then
  call('SET', KEYS[1], '@LAYOUT@')
end
flush()
announce()
return answers

-- uses: base ids store step moving propagation adding schedules
-- Move a schedule on and add tasks, if it has the revision that is expected.
-- ARGV: 2 the id, 3 the revision, 4 {name, revision, slot, document} or '' to delete it, 5… specs.
-- Reply: 1 or 0; {'!', …} as of add. Complexity: as of add.
-- KEYS: 1 layout, 2 room (base.lua).
local old = stored_schedule(ARGV[2])
if not old or tostring(old[2]) ~= ARGV[3] then
  return 0
end
local row = ARGV[4] ~= '' and cmsgpack.unpack(ARGV[4])
if row and row[1] ~= old[1] then
  return {'!', 'other_schedule', old[1]}
end
local specs = {}
for i = 5, #ARGV do
  specs[i - 4] = cmsgpack.unpack(ARGV[i])
end
add(specs, false, false)
if failure then
  return failure
end
if row then
  put_schedule(ARGV[2], row)
else
  if #specs > 0 then
    write_tasks()
  end
  drop_schedule(ARGV[2], old)
end
flush()
announce()
return 1

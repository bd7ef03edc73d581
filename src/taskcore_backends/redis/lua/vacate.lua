-- When the last thing that anybody stored is gone, what was kept beside it goes too, and no key is left.
local function vacate()
  if call('EXISTS', P .. 'tasks', P .. 'groups', P .. 'schedules', P .. 'workers', P .. 'paused', P .. 'keys') > 0 then
    return
  end
  for _, worker in ipairs(call('ZRANGE', P .. 'claimers', 0, -1)) do
    call('DEL', P .. 'c:' .. worker, P .. 'n:' .. worker)
  end
  call('DEL', P .. 'claimers', P .. 'watched', P .. 'owed', P .. 'names', KEYS[1])
end

-- What every script begins with: the prefix of all keys, the moment, and a look at the version of the layout.
-- KEYS[1] is <prefix>layout; all others lie in the same hash slot by the prefix. KEYS[2], <prefix>room, is never there:
-- with it a cluster runs no script while it moves the slot, when a node has some of the keys only.
-- ARGV[1] is the moment in microseconds, or '' for the server's own clock.
local call, floor, min = redis.call, math.floor, math.min
local P = string.sub(KEYS[1], 1, -7)
local now
if ARGV[1] == '' then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
else
  now = tonumber(ARGV[1])
end
-- What drains a full server, or takes little of it, goes through at maxmemory: after a first write memory is not looked
-- at any more.
local function overflow()
  call('DEL', KEYS[2])
end
local layout = call('GET', KEYS[1])
if layout and layout ~= '@LAYOUT@' then
  return redis.error_reply('TASKCORELAYOUT ' .. layout)
end

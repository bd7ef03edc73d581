-- The raw loop's one script for a worker: settle what it brings, claim the next.
--
-- KEYS: 1 tasks, a hash of id to record; 2 ready, a ZSET by priority and time; 3 leases, a ZSET of id by expiry.
-- ARGV: 1 worker, 2 lease in microseconds, 3 how many to claim, then id, epoch, result of each settled one.
-- A record: 1 state (0 ready, 1 running, 2 finished), 2 queue, 3 priority, 4 run_after, 5 arguments, 6 epoch, 7 owner,
-- 8 lease, 9 result. Reply: id, epoch, arguments of each claimed one. Complexity: O((m + n) log N).
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ids, writes, leases = {}, {}, {}
for i = 4, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
if #ids > 0 then
  local records = redis.call('HMGET', KEYS[1], unpack(ids))
  for i = 1, #ids do
    local task = records[i] and cmsgpack.unpack(records[i])
    if task and task[1] == 1 and task[6] == tonumber(ARGV[3 * i + 2]) then
      task[1], task[7], task[8], task[9] = 2, false, false, ARGV[3 * i + 3]
      writes[#writes + 1] = ids[i]
      writes[#writes + 1] = cmsgpack.pack(task)
    end
  end
  redis.call('ZREM', KEYS[3], unpack(ids))
end
local claimed = redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[3]) - 1)
local reply = {}
if #claimed > 0 then
  redis.call('ZREM', KEYS[2], unpack(claimed))
  local records = redis.call('HMGET', KEYS[1], unpack(claimed))
  for i = 1, #claimed do
    local task = cmsgpack.unpack(records[i])
    task[1], task[6], task[7], task[8] = 1, task[6] + 1, ARGV[1], now + tonumber(ARGV[2])
    writes[#writes + 1] = claimed[i]
    writes[#writes + 1] = cmsgpack.pack(task)
    leases[#leases + 1] = task[8]
    leases[#leases + 1] = claimed[i]
    reply[#reply + 1] = claimed[i]
    reply[#reply + 1] = task[6]
    reply[#reply + 1] = task[5]
  end
  redis.call('ZADD', KEYS[3], unpack(leases))
end
if #writes > 0 then
  redis.call('HSET', KEYS[1], unpack(writes))
end
return reply

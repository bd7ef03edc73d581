-- uses:
-- Write something that replicas are sent, also at maxmemory, and leave nothing. KEYS: 1 room, which
-- is never there. ARGV: none. Reply: 1. Complexity: O(1).
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], '')
return redis.call('DEL', KEYS[1])

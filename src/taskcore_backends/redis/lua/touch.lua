-- uses:
-- Write something that replicas are sent, also at maxmemory, and leave nothing. KEYS[1]: a key that never is there.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], '')
return redis.call('DEL', KEYS[1])

-- uses: base
-- Have who listens at an address look at what is waited for now: an entry of its inbox that names no task. It is gone
-- after a while, as all that is in it, if nobody listens any more. ARGV: 2 the address. Reply: 1. Complexity: O(1).
-- KEYS: 1 layout, 2 room (base.lua).
overflow()
call('ZADD', P .. 'in:' .. ARGV[2], 0, '\0')
call('PEXPIRE', P .. 'in:' .. ARGV[2], @INBOX_KEPT@)
return 1

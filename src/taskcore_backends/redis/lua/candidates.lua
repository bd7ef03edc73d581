-- uses: base
-- Return finished tasks that a purge may be about, a portion at a time, oldest first.
-- ARGV: 2 'names': names behind ARGV[3]; 'score': members of the ZSET ARGV[3] up to the score ARGV[4];
-- 'lex': members of the ZSET ARGV[3] behind ARGV[4]; 'groups': ids of groups behind ARGV[4]; 5 how many, 6 how many
-- to pass over. Reply: members; with 'score' {member, score, …}. Complexity: O(log N + n).
local kind = ARGV[2]
if kind == 'score' then
  return call('ZRANGEBYSCORE', P .. ARGV[3], '-inf', ARGV[4], 'WITHSCORES', 'LIMIT', ARGV[6], ARGV[5])
end
return call('ZRANGEBYLEX', P .. ARGV[3], ARGV[4], '+', 'LIMIT', ARGV[6], ARGV[5])

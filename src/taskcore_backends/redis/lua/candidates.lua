-- uses: base
-- Return members of a ZSET, a portion at a time, such as those that a purge may be about.
-- ARGV: 2 how: 'text' in the order of members, 'oldest' or 'newest' in that of scores, 3 the ZSET, 4 how many, 5 the
-- member behind which to begin, or '', 6 its score when it was read. It may be gone, or stand elsewhere by now: then
-- all of its score are read, again perhaps, so none is passed over.
-- Reply: members; by score {member, score, …}.
-- Complexity: O(log N + n): the place is found by rank, not by counting off.
-- KEYS: 1 layout, 2 room (base.lua).
local key, n, last = P .. ARGV[3], tonumber(ARGV[4]), ARGV[5]
if ARGV[2] == 'text' then
  return call('ZRANGEBYLEX', key, last == '' and '-' or '(' .. last, '+', 'LIMIT', 0, n)
end
local is_oldest = ARGV[2] == 'oldest'
local from = 0
if last ~= '' then
  local score = call('ZSCORE', key, last)
  if score and tonumber(score) == tonumber(ARGV[6]) then
    from = call(is_oldest and 'ZRANK' or 'ZREVRANK', key, last) + 1
  elseif is_oldest then
    from = call('ZCOUNT', key, '-inf', '(' .. ARGV[6])
  else
    from = call('ZCOUNT', key, '(' .. ARGV[6], '+inf')
  end
end
return call(is_oldest and 'ZRANGE' or 'ZREVRANGE', key, from, from + n - 1, 'WITHSCORES')

"""What is done to hot copies inside Redis, each at one moment.

A value is `<level>@<run>`, or a mark `?…`. The run is that of the Redis that took the value: what
an earlier run left behind may lack its last second, so nobody believes it.
"""

RUN = "local run = redis.call('INFO', 'server'):match('run_id:(%x+)'):sub(1, 8)\n"

READ = f"""{RUN}
return {{run, redis.call('MGET', unpack(KEYS))}}
"""

# ARGV: the run in which the owner was asked, then for each key its level and its seconds to live.
# Adds what is not there; nothing if Redis has been started anew meanwhile, for then a change
# between the question and now may be lost.
REMEMBER = f"""{RUN}
if run ~= ARGV[1] then return end
for i, key in ipairs(KEYS) do
  local found = redis.call('GET', key)
  if not found or (found:sub(1, 1) ~= '?' and found:match('@(%x+)') ~= run) then
    redis.call('SET', key, ARGV[2 * i] .. '@' .. run, 'EX', ARGV[2 * i + 1])
  end
end
"""

# ARGV: one's own mark, the new level, its seconds to live, those of a mark.
# Overwrites one's own mark. Somebody else's is theirs to settle, and a refusal can be left alone.
# Anything else says that the mark was lost: then whoever read in between may have put back what
# this change took away, so everybody is sent to the owner.
SETTLE = f"""{RUN}
local found = redis.call('GET', KEYS[1])
if found == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2] .. '@' .. run, 'EX', ARGV[3])
elseif not found or not found:find('^[?0]') then
  redis.call('SET', KEYS[1], '?', 'EX', ARGV[4])
end
"""

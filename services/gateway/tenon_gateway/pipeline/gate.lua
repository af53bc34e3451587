-- Everything that a batch of requests needs to know from Redis, at one moment.
--
-- KEYS  the limits' counters, then the grants to read, then the cache tags' versions
-- ARGV  [1] how many keys are limits  [2] how many are grants
--       [3] the version for a tag that has none  [4] its seconds to live
--       then for each limit: microseconds per request, microseconds of backlog allowed
--       then for each request: how many limits, and for each its place in KEYS, the place of
--       the grant without which it does not apply (0: it always does), and 1 if the request is
--       charged to it (0: it is only checked)
-- Answer: for each request the microseconds to wait, 0 if let in; for each limit its backlog
--       in microseconds afterwards; the grants; the versions; the run of Redis.
--
-- A limit is a GCRA: its counter is the moment (microseconds) when its backlog is worked off.
-- A request is charged to all of its limits that are charged, or to none.

local limits, grants = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local values = #KEYS > 0 and redis.call('MGET', unpack(KEYS)) or {}
local reply, free_at, charged = {}, {}, {}

for i = 1, limits do
  free_at[i] = math.max(now, tonumber(values[i]) or now)
end

local function applies(grant)
  return grant == 0 or (tonumber((values[grant] or ''):match('^%d+')) or 0) > 0
end

local at = 5 + 2 * limits
while at <= #ARGV do
  local last = at + 3 * tonumber(ARGV[at])
  local wait, applied = 0, {}
  for place = at + 1, last, 3 do
    local i = tonumber(ARGV[place])
    if applies(tonumber(ARGV[place + 1])) then
      if ARGV[place + 2] == '1' then
        applied[#applied + 1] = i
      end
      wait = math.max(wait, free_at[i] + ARGV[3 + 2 * i] - now - ARGV[4 + 2 * i])
    end
  end
  if wait == 0 then
    for _, i in ipairs(applied) do
      free_at[i] = free_at[i] + ARGV[3 + 2 * i]
      charged[i] = true
    end
  end
  reply[#reply + 1] = wait
  at = last + 1
end

for i = 1, limits do
  local backlog = free_at[i] - now
  if charged[i] then
    redis.call('SET', KEYS[i], string.format('%.0f', free_at[i]), 'PX', math.ceil(backlog / 1000))
  end
  reply[#reply + 1] = backlog
end

for i = limits + 1, limits + grants do
  reply[#reply + 1] = values[i]
end

for i = limits + grants + 1, #KEYS do
  if not values[i] then
    values[i] = ARGV[3]
    redis.call('SET', KEYS[i], ARGV[3], 'EX', ARGV[4])
  end
  reply[#reply + 1] = values[i]
end

reply[#reply + 1] = redis.call('INFO', 'server'):match('run_id:(%x+)'):sub(1, 8)
return reply

-- Sends each request of a file once, over the connections of wrk:
--
--   wrk -t T -c C -d SECONDS -s wrk.lua http://ADDRESS -- FILE LENGTH COUNT
--
-- All requests in FILE have the same LENGTH (bench_requests); each thread takes its share of them.
-- The last line of output is "bench " and a JSON object.

local threads = {}

function setup(thread)
    thread:set("share", #threads)
    table.insert(threads, thread)
    for _, each in ipairs(threads) do
        each:set("shares", #threads)
    end
end

function init(args)
    length = tonumber(args[2])
    local count = tonumber(args[3])
    local first = math.floor(count * share / shares)
    left = math.floor(count * (share + 1) / shares) - first
    exhausted = 0
    file = assert(io.open(args[1], "rb"))
    file:setvbuf("full", 1024 * length)
    file:seek("set", first * length)
end

-- The file is chosen long enough; should it end, the thread stops and the figures are marked.
function request()
    if left == 0 then
        exhausted = 1
        wrk.thread:stop()
        return ""
    end
    left = left - 1
    return file:read(length)
end

function done(summary, latency, requests)
    local ended = 0
    for _, thread in ipairs(threads) do
        ended = ended + thread:get("exhausted")
    end
    local errors = summary.errors
    print(string.format('bench {"answers":%d,"seconds":%.6f,"refused":%d,"broken":%d,'
        .. '"exhausted":%d,"p50":%d,"p99":%d,"p999":%d,"max":%d}',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, ended,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end

#!/bin/sh
# redis.sh QUEUE [PASSWORD_FILE [OPTION...]]: an example of a hook that hands a job over to a list of
# Redis, from which workers take it (BLMOVE). OPTIONs are redis-cli's, such as -h HOST or -s SOCKET.
# Copy it to /usr/local/lib/sasha-hooks, and write into the conf:
#
#   sink "redis" {
#       type    = "exec"
#       command = {"/usr/local/lib/sasha-hooks/redis.sh", "sasha:jobs",
#                  "/etc/sasha-callbackd/redis-password", "-s", "/run/redis/redis-server.sock"}
#       timeout = "10s"
#   }
#
# PASSWORD_FILE may be "" where there is none. Needs redis-cli(1) of Redis 7 or newer.
#
# - The request id and the job are written in one step, so a delivery is queued once, however often
#   the hook is run; the id is remembered for a week.
# - What is queued is as safe as Redis keeps it: "appendonly yes" with "appendfsync always" for what
#   must not be lost with the machine.
set -eu

retry=75
queue=${1:?redis.sh: no queue given}
password_file=${2-}
if [ $# -gt 2 ]; then shift 2; else set --; fi

if [ -n "$password_file" ]; then
    REDISCLI_AUTH=$(cat "$password_file") || exit "$retry"
    export REDISCLI_AUTH
fi

# A replay by an operator is wanted, so it counts as another one.
seen="$queue:seen:$SASHA_ENDPOINT:$SASHA_REQUEST_ID:$SASHA_REPLAY"
script='
if redis.call("SET", KEYS[2], "1", "NX", "EX", ARGV[1]) then
    redis.call("LPUSH", KEYS[1], ARGV[2])
    return "queued"
end
return "queued before"'

# -x: the last argument is what stands on stdin, which is the Job. -e: an error of Redis is a failure.
redis-cli "$@" --no-auth-warning -e -x EVAL "$script" 2 "$queue" "$seen" 604800 || exit "$retry"

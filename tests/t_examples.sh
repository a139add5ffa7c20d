#!/bin/sh
# t_examples.sh: the examples do what they say: the tour's checks hold and its table is whole, the
# echo server serves real clients, and the database keeps what it has answered though it is killed.
# What is started here is ended here, by its number. t_examples_sim.sh has the simulated crashes.
set -u

cd "$(dirname "$0")/.." || exit 1
examples=${BUILD:?is set by make check}/examples
RUN=${RUN:-}
dir=$(mktemp -d) || exit 1
server=
tour=
trap 'kill -KILL $server $tour 2>/dev/null; rm -rf "$dir"' EXIT
number=0

# They talk to other programs, of which a simulated world has none; each test is named all the same.
if [ "${REEVE_BACKEND:-}" = sim ]; then
    sed -n "s/^ *report '\(.*\)' .*/\1/p; s/^sentence='\(.*\)'/\1/p" tests/t_examples.sh |
        awk '{ print "ok " NR " - " $0 " # SKIP other programs as peers" } END { print "1.." NR }'
    exit 0
fi

if $RUN "$examples/tour" --quick >"$dir/out" 2>"$dir/err"; then
    quick=0
else
    quick=$?
fi

# report SENTENCE STATUS: the status is that of what was to hold
report() {
    number=$((number + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' "$dir/out" "$dir/err"
    fi
}

skip() { # sentence reason
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

# eventually COMMAND...: it holds within ten seconds
eventually() {
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || return 1
        sleep 0.1
    done
}

# ---- tour ----

report 'a quick tour ends well' $quick

lines=0
for what in 'spawned and joined, a tree *11,111 ' 'asleep at once' 'woken in order *2,000 ' \
    'open at once *200 ' 'all at once *4,000 ' 'spread out *200 ' 'one deadline *2,000 ' \
    'read and compared *4,000 '; do
    grep -q "^  [a-z].* $what.* [0-9.]* [mun]*s" "$dir/out" && lines=$((lines + 1))
done
[ $lines -eq 8 ]
report 'its table has a line for each figure' $?

grep -q 'task [0-9]* "reader", .* waits in rv_read' "$dir/out"
report 'it shows a dump' $?

! grep -q "$(printf '[\033\r]')" "$dir/out"
report 'what is no terminal is told nothing that only a terminal understands' $?

(ulimit -n 150 && TOUR_QUICK=1 exec $RUN "$examples/tour") >"$dir/out" 2>"$dir/err" &&
    grep -q 'only 86 connections: a process may have 150 descriptors' "$dir/out" &&
    grep -q 'open at once *86 ' "$dir/out"
report 'with few descriptors it has fewer connections, and says so' $?

$RUN "$examples/tour" --slow >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] && grep -q '^usage: ' "$dir/err"
report 'an option that it does not have ends it' $?

child=
has_child() {
    child=$(cat "/proc/$tour/task/$tour/children") && [ -n "$child" ]
}
is_gone() {
    ! kill -0 "${child% }"
}
sentence='a tour that is killed takes its other process with it'
if [ -e "/proc/$$/task/$$/children" ]; then
    $RUN "$examples/tour" --quick >"$dir/out" 2>"$dir/err" &
    tour=$!
    until has_child 2>/dev/null || ! kill -0 $tour 2>/dev/null; do
        sleep 0.02
    done
    kill -KILL $tour
    wait $tour 2>/dev/null
    tour=
    [ -n "$child" ] && eventually is_gone
    report "$sentence" $?
else
    skip "$sentence" 'this kernel does not list children'
fi

# ---- echo ----

# A port that nobody else has: the server ends at once where it cannot listen.
listens() {
    bash -c ": </dev/tcp/127.0.0.1/$port"
}
port=$((20000 + $$ % 10000))
start_server() { # program, what follows the port; each has a new one
    program=$1
    shift
    for attempt in 1 2 3 4 5; do
        port=$((port + attempt))
        $RUN "$examples/$program" $port "$@" >"$dir/out" 2>"$dir/err" &
        server=$!
        eventually listens && kill -0 $server 2>/dev/null && return 0
        kill -KILL $server 2>/dev/null
    done
    return 1
}

# says TEXT: a client that sends a line and reads one gets the same back
says() {
    answer=$(timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0; echo "$1" >&3
        read -r line <&3; echo "$line"' "$port" "$1")
    [ "$answer" = "$1" ]
}

start_server echo
report 'echo listens' $?

says 'a line'
report 'a line comes back' $?

timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0; exec 4<>/dev/tcp/127.0.0.1/$0
    echo second >&4; read -r two <&4; echo first >&3; read -r one <&3
    [ "$one $two" = "first second" ]' "$port"
report 'a client that says nothing does not hold up the next' $?

sentence='a megabyte comes back, and the end after it'
if nc -h 2>&1 | grep -q OpenBSD; then
    head -c 1000000 /dev/urandom >"$dir/sent"
    timeout 20 nc -N 127.0.0.1 $port <"$dir/sent" >"$dir/got" && cmp "$dir/sent" "$dir/got"
    report "$sentence" $?
else
    skip "$sentence" 'no nc of OpenBSD'
fi

# unread data in its socket: its end is a reset, and the server's next write fails
timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0
    echo unread >&3; sleep 0.2; echo more >&3' "$port"
says 'still there'
report 'a client that resets its connection ends nobody else' $?

$RUN "$examples/echo" $port >"$dir/out" 2>"$dir/err"
[ $? -eq 1 ] && grep -q 'Address already in use' "$dir/err"
report 'a second server on the port says why it cannot' $?

kill $server && ! wait $server 2>/dev/null && ! says nothing 2>/dev/null
report 'echo ends when it is told to' $?
server=

# ---- kv ----

# answers REQUEST ANSWER
answers() {
    answer=$(timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0; echo "$1" >&3
        read -r line <&3; echo "$line"' "$port" "$1")
    [ "$answer" = "$2" ]
}

start_server kv "$dir/kv.log" && answers 'get a' none && answers 'set a 1' ok &&
    answers 'set b 2' ok && answers 'set a 3' ok && answers 'get a' 3 && answers 'get c' none &&
    answers 'put a 3' 'what?'
report 'kv says what was set' $?

kill -KILL $server
wait $server 2>/dev/null
printf '0123456789abcdef a 4\n' >>"$dir/kv.log" # torn: the sum is not right
start_server kv "$dir/kv.log" && answers 'get a' 3 && answers 'get b' 2 && answers 'set a 5' ok
report 'kv has what it answered after it was killed, and nothing else' $?

kill $server
wait $server 2>/dev/null
start_server kv "$dir/kv.log" && answers 'get a' 5
report 'what is set after a crash is kept, too' $?
kill $server
wait $server 2>/dev/null
server=

echo "1..$number"

#!/bin/sh
# t_examples_sim.sh: the database among the examples in simulated worlds, crashes and all: it
# survives them, and the bug that one variant of it has is found and replayed.
set -u

cd "$(dirname "$0")/.." || exit 1
examples=${BUILD:?is set by make check}/examples
RUN=${RUN:-}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
number=0

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

REEVE_SEEDS=${KV_SEEDS:-300} $RUN "$examples/kv" --simulate >"$dir/out" 2>"$dir/err"
report 'kv survives some hundred worlds' $?

! $RUN "$examples/kv" --simulate --hasty >"$dir/out" 2>"$dir/err" &&
    grep -q '^reeve: sim: .* but it is [0-9]\|^reeve: sim: it was [0-9]' "$dir/err" &&
    grep -q '^reeve: sim: seed [0-9]*: .*; replay: ' "$dir/err"
report 'the bug of the hasty one is found, within 1,000 seeds' $?

said=$(grep '^reeve: sim: ' "$dir/err")
replay=$(sed -n "s|^reeve: sim: .*; replay: \([^ ]*\)|\1 $RUN|p" "$dir/err")
! sh -c "$replay" >"$dir/out" 2>"$dir/err" && [ -n "$said" ] &&
    [ "$(grep '^reeve: sim: ' "$dir/err")" = "$said" ] && [ "$(wc -l <"$dir/err")" -gt 100 ]
report 'the command that it prints replays it: the same words, the same hash, and a trace' $?

seed=$(echo "$said" | sed -n 's/.*: seed \([0-9]*\):.*/\1/p')
REEVE_SEED=$seed $RUN "$examples/kv" --simulate >"$dir/out" 2>"$dir/err"
report 'in the world of that seed, the one that takes turns is right' $?

echo "1..$number"

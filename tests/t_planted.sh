#!/bin/bash
# t_planted.sh: the bugs of base/plant.h are found by the scenarios: by how many seeds, and by which
# words. A bug that is not found says that the simulator has an eye shut.
set -u

seeds=60000
number=0
failed=0

if [ -n "${SAN:-}${RUN:-}" ]; then
    echo "1..0 # SKIP once, where it is fast"
    exit 0
fi

# The first line that says what is wrong, without what all of them have.
words_of() {
    grep -m1 -E '^reeve: ' "$1" | sed -E 's/^reeve: (sim: )?//; s/ \(task .*\)$//' | cut -c1-90
}

seed_of() {
    sed -nE 's/.*REEVE_SEED=([0-9]+) [^ ]* ([a-z_]+) .*/\2, seed \1/p' "$1" | head -1
}

try() {
    local bug=$1 said others
    said=$(mktemp)
    number=$((number + 1))
    if timeout 120 "$BUILD/planted/$bug" --seeds "$seeds" --failures 1 >"$said.out" 2>"$said"; then
        echo "not ok $number - $bug is found"
        echo "# $(tail -1 "$said.out")"
        failed=1
    elif ! grep -q 'replay: REEVE_SEED=' "$said"; then
        echo "not ok $number - $bug is found, with a seed to replay it"
        sed 's/^/# /' "$said" | head -20
        failed=1
    else
        echo "ok $number - $bug is found"
        others=$(sed -n 's/^sim: \([0-9]*\) .*/\1/p' "$said.out")
        echo "# after $others of others, by $(seed_of "$said"):"
        echo "# $(words_of "$said")"
    fi
    rm -f "$said" "$said.out"
}

for program in "$BUILD"/planted/*; do
    [ -d "$program" ] || try "${program##*/}"
done
[ "$number" -gt 0 ] || { echo "not ok 1 - there are planted bugs"; number=1; failed=1; }
echo "1..$number"
exit $failed

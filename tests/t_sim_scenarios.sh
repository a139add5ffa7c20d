#!/bin/bash
# t_sim_scenarios.sh: the scenarios of tests/sim, a few seeds of each; `make sim` is for more.
set -u

seeds=60
[ -n "${SAN:-}${RUN:-}" ] && seeds=10
number=0
failed=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

while read -r name promise; do
    for way in "$name" "${name}_in_peace"; do
        number=$((number + 1))
        if timeout 120 ${RUN:-} "$BUILD/tests/sim/run" "$way" 1 "$seeds" >"$said" 2>&1; then
            echo "ok $number - $way: $promise"
        else
            echo "not ok $number - $way: $promise"
            sed 's/^/# /' "$said" | head -60
            failed=1
        fi
    done
done < <(${RUN:-} "$BUILD/tests/sim/run" --list)
[ "$number" -gt 0 ] || { echo "not ok 1 - there are scenarios"; number=1; failed=1; }
echo "1..$number"
exit $failed

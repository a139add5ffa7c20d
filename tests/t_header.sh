#!/bin/sh
# t_header.sh: include/reeve_sim.h, and reeve.h in it, compiles alone, first, and without a
# warning, in every language that it claims: strict C11 and later, C++17 and later; macros too.
set -u

[ -z "${SAN:-}" ] || { echo '1..0 # SKIP only compiles: nothing for a sanitizer'; exit 0; }
cd "$(dirname "$0")/.." || exit 1
number=0

program='
#include "reeve_sim.h"
int spawn(rv_group *g, rv_fn *fn, int *fd);
int spawn(rv_group *g, rv_fn *fn, int *fd)
{
    rv_scope s;
    rv_go(g, fn, fd);
    rv_go_copy(g, fn, fd, sizeof *fd);
    rv_scope_open(&s, rv_after(200 * RV_MS));
    if (rv_try_go(g, fn, fd) < 0)
        return rv_try_go_copy(g, fn, fd, sizeof *fd);
    return rv_scope_close(&s, rv_sleep(RV_NEVER));
}'

compiles() { # sentence compiler language standard
    sentence=$1
    shift
    number=$((number + 1))
    if words=$(echo "$program" | "$1" -x "$2" -std="$3" -pedantic -Wall -Wextra -Wshadow -Werror \
        -Iinclude -fsyntax-only - 2>&1); then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        echo "$words" | sed 's/^/# /'
    fi
}

for std in c11 c17; do
    compiles "alone in strict $std" "${CC:-gcc}" c $std
done
for std in c++17 c++20; do
    compiles "alone in strict $std" "${CXX:-g++}" c++ $std
done

number=$((number + 1))
if echo '#include "reeve.h"
void drop(int fd);
void drop(int fd) { rv_read(fd, 0, 0); }' |
    "${CC:-gcc}" -x c -Werror=unused-result -Iinclude -S -o /dev/null - 2>/dev/null; then
    echo "not ok $number - a result that is dropped is warned of"
else
    echo "ok $number - a result that is dropped is warned of"
fi
echo "1..$number"

#!/bin/sh
# t_docs.sh: what the pages show is true. Each ```c block of README.md, docs/guide.md,
# docs/simulation.md and docs/semantics.md is compiled without a warning; one with a main() is
# linked and run as well, and must end with 0. Lines right above a block say what differs:
#   <!-- exit: 134 -->       how it ends, as a shell counts
#   <!-- says: words -->     what it prints, among other things; may stand several times
#   <!-- guard -->           it is linked with the guard of simulated runs
#   <!-- not simulated: why -->  it has no place in a simulated world, where the others run as well
#   <!-- compile only -->    it would not end, or need something that is not here
#   <!-- given: extern int fd; -->  declarations in front of a fragment, which becomes the body of
#                            a function and is compiled only
# The quick start of README.md is two lines, and names targets that exist.
set -u

[ -z "${SAN:-}" ] || { echo '1..0 # SKIP the programs are those of a plain build'; exit 0; }
cd "$(dirname "$0")/.." || exit 1
root=$PWD
build=$root/${BUILD:-build/x86_64-gcc}
libs="${LIBS:--luring -lm} -pthread"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
ulimit -c 0
number=0

report() { # outcome sentence words
    number=$((number + 1))
    echo "$1 $number - $2"
    [ "$1" = ok ] || echo "$3" | sed 's/^/# /'
}

# Writes each block to $dir/<line>.c and the comments above it to $dir/<line>.notes.
split() { # page
    rm -f "$dir"/*.c "$dir"/*.notes
    awk -v dir="$dir" '
        /^```$/ && file { close(file); file = ""; next }
        file { print >file; next }
        /^<!-- .* -->$/ { notes = notes substr($0, 6, length($0) - 9) "\n"; next }
        /^```c$/ {
            file = dir "/" NR ".c"
            printf "%s", notes >(dir "/" NR ".notes")
            close(dir "/" NR ".notes")
            printf "" >file
        }
        { notes = "" }' "$1"
}

note() { # block name: what the comments above it say under that name
    sed -n "s/^$2: *//p" "$dir/$1.notes"
}

# The block as a translation unit, its lines numbered as in the page.
complete() { # page block
    if grep -q '^#include' "$dir/$2.c"; then
        echo "#line $(($2 + 1)) \"$1\""
        cat "$dir/$2.c"
        return
    fi
    printf '#include <errno.h>\n#include <reeve_sim.h>\n'
    printf 'int fragment(void);\nint fragment(void)\n{\n'
    note "$2" given
    echo "#line $(($2 + 1)) \"$1\""
    cat "$dir/$2.c"
    printf 'return 0;\n}\n'
}

try_run() { # sentence block
    expected=$(note "$2" exit)
    why=$(note "$2" 'not simulated')
    if [ -n "$why" ] && [ "${REEVE_BACKEND:-}" = sim ]; then
        report ok "$1 runs # SKIP $why"
        return
    fi
    # The inner shell outlives what a signal ends, and keeps its word about it to itself.
    (cd "$dir" && timeout -k 1 20 ${RUN:-} "./$2" >out 2>&1; exit $?) 2>/dev/null
    ended=$?
    if [ $ended -ne "${expected:-0}" ]; then
        report 'not ok' "$1 runs" "it ended with $ended, not ${expected:-0}; $(cat "$dir/out")"
        return
    fi
    note "$2" says >"$dir/says"
    while read -r words; do
        grep -qF -- "$words" "$dir/out" && continue
        report 'not ok' "$1 runs" "it does not say: $words; $(cat "$dir/out")"
        return
    done <"$dir/says"
    report ok "$1 runs"
}

try_block() { # page block
    sentence="the program at $1:$2"
    action='-S'
    # shellcheck disable=SC2086 # lists of flags
    if grep -q '^int main(' "$dir/$2.c" && ! grep -q '^compile only' "$dir/$2.notes"; then
        action=
        guard=
        grep -q '^guard' "$dir/$2.notes" && guard=$build/libreeve_sim_guard.a
        set -- "$1" "$2" $guard "$build/libreeve.a" $libs
    fi
    page=$1
    block=$2
    shift 2
    complete "$page" "$block" >"$dir/whole"
    if words=$("${CC:-gcc}" -x c -std=gnu11 -O1 -Wall -Wextra -Werror -Iinclude $action \
        -o "$dir/$block" "$dir/whole" -x none "$@" 2>&1); then
        report ok "$sentence compiles"
        [ -n "$action" ] || try_run "$sentence" "$block"
    else
        report 'not ok' "$sentence compiles" "$words"
    fi
}

for page in README.md docs/guide.md docs/simulation.md docs/semantics.md; do
    split $page
    for file in $(ls "$dir" | grep '\.c$' | sort -n); do
        try_block $page "${file%.c}"
    done
done

# A call that the header marks as waiting has a row that says when others may run.
words=
for call in $(sed -n 's/^RV_WAITS .*\(rv_[a-z_]*\)(.*/\1/p' include/reeve.h); do
    call=${call%_at} # what the macro of that name calls
    row=$(grep "^|.*\`$call\`.*|.*|" docs/semantics.md | head -1)
    case $(echo "$row" | cut -d'|' -f4) in
    '' | *no*) words="$words $call" ;;
    esac
done
if [ -z "$words" ]; then
    report ok 'each RV_WAITS call has a row that says when it switches'
else
    report 'not ok' 'each RV_WAITS call has a row that says when it switches' "not:$words"
fi

quick_start=$(awk '/^```$/ { here = 0 } here { print } /^```sh$/ { here = !n++ }' README.md)
if [ "$(echo "$quick_start" | grep -c .)" -eq 2 ]; then
    report ok 'the quick start is two lines'
else
    report 'not ok' 'the quick start is two lines' "$quick_start"
fi
for target in $(echo "$quick_start" | sed -n 's/.*make .*\<\([a-z]*\)$/\1/p'); do
    if grep -q "^$target:.*##" Makefile; then
        report ok "make $target is a target"
    else
        report 'not ok' "make $target is a target" 'not in the Makefile'
    fi
done
echo "1..$number"

#!/bin/sh
# t_lto.sh: the library and its tests built as others may build them, in one piece and at the
# highest optimisation, where a compiler sees through every call that a switch is made of:
#   -O3 -flto -static-pie    may keep the address of a thread-local over a switch (hazard 1)
#   -O3 -D_FORTIFY_SOURCE=3  checks jumps and copies (hazard 11)
set -u
unset MAKEFLAGS MFLAGS # -flto would take a token of the jobs that make has to give, and keep it

skip() {
    echo "1..0 # SKIP $1"
    exit 0
}

[ -z "${SAN:-}" ] || skip 'the builds are those of a plain build'
cd "$(dirname "$0")/.." || exit 1
cc=${CC:-gcc}
port=${PORT:-$(uname -m)}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
libs="${LIBS:--luring -lm} -pthread"
inside="-std=gnu11 -D_GNU_SOURCE -g -Iinclude -Iruntime -Iarch -Iarch/$port -I."
number=0

say() { # ok|not ok, sentence, file of words
    number=$((number + 1))
    echo "$1 $number - $2"
    [ "$1" = ok ] || sed 's/^/# /' "$3"
}

builds() { # flags of all compilations, of the link, program
    rm -rf "$dir/o"
    mkdir "$dir/o"
    for source in $SOURCES "tests/$3.c"; do
        echo "$source"
    done | xargs -P 2 -I % sh -c "$cc $inside $1 -fvisibility=hidden -ftls-model=initial-exec \
        -c % -o $dir/o/\$(echo % | tr / _).o" >"$dir/words" 2>&1 &&
        # shellcheck disable=SC2086
        $cc $inside $1 "$dir"/o/*.o $2 $libs -o "$dir/$3" >"$dir/words" 2>&1
}

# One TAP line a program: its own lines are shown when one of them fails.
passes() { # flags of all compilations, of the link, program, sentence
    if ! builds "$1" "$2" "$3"; then
        if grep -qE 'cannot find (-l|rcrt1.o)|LLVMgold' "$dir/words"; then
            number=$((number + 1))
            echo "ok $number - $4 # SKIP what it takes to link with $1 $2 is not here"
        else
            say 'not ok' "$4: the build" "$dir/words"
        fi
    elif ${RUN:-} "$dir/$3" >"$dir/words" 2>&1; then
        say ok "$4" "$dir/words"
    else
        say 'not ok' "$4" "$dir/words"
    fi
}

passes '-O3 -flto -fPIE' -static-pie t_task \
    'hazard_1_link_time_optimisation_keeps_no_address_over_a_switch'
passes '-O3 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fPIE' '' t_task \
    'hazard_11_a_fortified_build_takes_no_switch_for_an_attack'
echo "1..$number"

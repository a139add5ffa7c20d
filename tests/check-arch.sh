#!/bin/sh
# check-arch.sh: builds and runs the tests of the switch for every port that this machine can
# run, and for the CPUs that it emulates the whole suite; or the tests of the switch for one port:
#     tests/check-arch.sh                      all
#     tests/check-arch.sh PORT CC [RUNNER...]  one, e.g. riscv64 riscv64-linux-gnu-gcc qemu-riscv64
# TAP on stdout: a line for each way of building. BUILD is the folder to build in (build/arch).
# A compiler, emulator or debugger that is missing is a named skip.
cd "$(dirname "$0")/.." || exit 2
unset MAKEFLAGS MFLAGS # -flto would take a token of the jobs that make has to give, and keep it
BUILD=${BUILD:-build/arch}
ALWAYS="-std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith"
# RISC-V's compilers write no unwind tables for C by themselves.
ALWAYS="$ALWAYS -Werror -g -fasynchronous-unwind-tables"
number=0
failed=0

result() { # ok|"not ok" sentence [file of comments]
    number=$((number + 1))
    [ "$1" = ok ] || failed=$((failed + 1))
    echo "$1 $number - $2"
    [ -z "$3" ] || sed 's/^/# /' "$3"
}

skip() { # sentence reason
    result ok "$1 # SKIP $2"
}

have() {
    command -v "$1" >/dev/null
}

# Says what is wrong with a port's object or with a program that it is linked into.
faults_of_object() { # object port
    readelf -SW "$1" | grep -q '\.note\.GNU-stack' || echo "no GNU-stack note"
    readelf -SW "$1" | grep '\.note\.GNU-stack' | grep -q ' X ' && echo "GNU-stack note asks for X"
    readelf -sW "$1" | awk '$5 == "GLOBAL" && $7 != "UND" && $6 != "HIDDEN" {
        print $8 " is " $6 ", not hidden" }'
    case $2 in
    x86_64)
        readelf -nW "$1" | grep -q 'x86 feature: IBT$' || echo "no property note for IBT alone"
        ;;
    aarch64)
        readelf -nW "$1" | grep -q 'AArch64 feature: .*BTI' || echo "no property note for BTI"
        ;;
    esac
}

faults_of_program() { # program
    readelf -lW "$1" | grep -q ' RWE ' && echo "a segment is writable and executable"
    readelf -lW "$1" | grep GNU_STACK | grep -q ' RW ' || echo "the stack is executable"
}

# One way of building: the port, the compiler, flags, what runs it.
try() { # port cc flags [runner...]
    port=$1 cc=$2 flags=$3
    shift 3
    what="$port, $cc $flags${1:+, $1}"
    have "$cc" || { skip "$what" "no $cc"; return; }
    [ $# -eq 0 ] || have "$1" || { skip "$what" "no $1"; return; }
    dir=$BUILD/$(echo "$port $cc $flags" | tr -cs 'a-zA-Z0-9_=\n' _)
    mkdir -p "$dir" || exit 2
    log=$dir/log
    : >"$log"
    ok=ok
    for source in arch/"$port"/switch.[cS]; do
        $cc $ALWAYS $flags -Iarch -Iarch/"$port" -c "$source" -o "$dir/switch.o" >>"$log" 2>&1 ||
            { result "not ok" "$what" "$log"; return; }
    done
    case $source in
    *.S) faults_of_object "$dir/switch.o" "$port" >>"$log" ;;
    esac
    for test in t_switch t_switch_unwind; do
        $cc $ALWAYS $flags -Iarch -Iarch/"$port" -Itests "tests/$test.c" "$dir/switch.o" -lm \
            -o "$dir/$test" >>"$log" 2>&1 || { result "not ok" "$what" "$log"; return; }
        faults_of_program "$dir/$test" >>"$log"
    done
    [ -s "$log" ] && ok="not ok"
    for test in t_switch t_switch_unwind; do
        "$@" "$dir/$test" >>"$log" 2>&1 || ok="not ok"
    done
    what="$what: $(grep -c '^ok' "$log") tests, $(grep -c '# SKIP' "$log") of them skipped"
    if [ "$ok" = ok ]; then
        result ok "$what"
    else
        result "not ok" "$what" "$log"
    fi
}

# Every instruction by a debugger; the trap flag does it on x86-64 as well.
step() { # port cc flags [runner...]
    port=$1 cc=$2 flags=$3
    shift 3
    what="$port, each instruction unwinds in a debugger"
    have "$cc" || { skip "$what" "no $cc"; return; }
    [ $# -eq 0 ] || have "$1" || { skip "$what" "no $1"; return; }
    dir=$BUILD/$port-steps
    mkdir -p "$dir" || exit 2
    if ! $cc $ALWAYS $flags -Iarch -Iarch/"$port" tests/arch/walk.c arch/"$port"/switch.S \
        -o "$dir/walk" >"$dir/log" 2>&1; then
        result "not ok" "$what" "$dir/log"
        return
    fi
    tests/arch/unwind-steps "$dir/walk" "$@" >"$dir/log" 2>&1
    case $? in
    0) result ok "$what" "$dir/log" ;;
    77) skip "$what" "$(cat "$dir/log")" ;;
    *) result "not ok" "$what" "$dir/log" ;;
    esac
}

# Everything, the library included, as that CPU runs it.
suite() { # port cc runner
    what="$1, the whole suite, $2, $3"
    for program in "$2" "${2%gcc}g++" "$3"; do
        have "$program" || { skip "$what" "no $program"; return; }
    done
    mkdir -p "$BUILD" || exit 2
    log=$BUILD/$1-suite
    if make -j2 --no-print-directory CC="$2" check >"$log" 2>&1; then
        result ok "$what: $(sed -n 's/^Files=.*Tests=\([0-9]*\),.*/\1/p' "$log") tests"
    else
        sed -n '/^Test Summary/,$p; / error: /p' "$log" >"$log-faults"
        result "not ok" "$what" "$log-faults"
    fi
}

native() { # port
    for cc in gcc clang; do
        for flags in -O2 -O0 "-O3 -flto" "-O2 -D_FORTIFY_SOURCE=3"; do
            try "$1" $cc "$flags"
        done
    done
}

all() {
    case $(uname -m) in
    x86_64)
        native x86_64
        try x86_64 gcc "-O2 -fcf-protection=full"
        try x86_64 gcc "-O2 -static"
        step x86_64 gcc -O2
        ;;
    aarch64 | riscv64)
        native "$(uname -m)"
        step "$(uname -m)" gcc -O2
        ;;
    esac
    for cc in gcc clang; do
        try ucontext $cc -O2
    done
    if [ "$(uname -m)" != aarch64 ]; then
        bti="-static -mbranch-protection=standard"
        for flags in -O2 -O0 "-O3 -flto"; do
            try aarch64 aarch64-linux-gnu-gcc "$flags $bti" qemu-aarch64 -cpu max
        done
        try aarch64 aarch64-linux-gnu-gcc "-O2 -static -D_FORTIFY_SOURCE=3" qemu-aarch64 -cpu max
        try ucontext aarch64-linux-gnu-gcc "-O2 -static" qemu-aarch64 -cpu max
        # Where SVE is, gdb 13 reads d8-d15 of every frame from the CPU; and it cannot read
        # signed return addresses from the stub.
        step aarch64 aarch64-linux-gnu-gcc "-O2 -static" qemu-aarch64 -cpu cortex-a72
        suite aarch64 aarch64-linux-gnu-gcc qemu-aarch64
    fi
    if [ "$(uname -m)" != riscv64 ]; then
        for flags in -O2 -O0 "-O3 -flto" "-O2 -D_FORTIFY_SOURCE=3"; do
            try riscv64 riscv64-linux-gnu-gcc "$flags -static" qemu-riscv64
        done
        try ucontext riscv64-linux-gnu-gcc "-O2 -static" qemu-riscv64
        step riscv64 riscv64-linux-gnu-gcc "-O2 -static" qemu-riscv64
        suite riscv64 riscv64-linux-gnu-gcc qemu-riscv64
    fi
}

if [ $# -eq 0 ]; then
    all
else
    one=$1 compiler=$2
    shift 2
    [ $# -eq 0 ] || static=-static
    for flags in -O2 -O0 "-O3 -flto"; do
        try "$one" "$compiler" "$flags $static" "$@"
    done
    if [ -f arch/"$one"/switch.S ]; then
        step "$one" "$compiler" "-O2 $static" "$@"
    fi
fi
echo "1..$number"
[ $failed -eq 0 ]

#!/bin/sh
# t_sim_guard.sh: the guard of simulated runs, as a user links it: what reaches past the simulated
# world is named, with its place and its task; what does not, and what is outside of a run, goes
# through as ever; and the library's own calls are never taken for the program's.
#
# Each program is a few statements of a task, in $dir/<name>.c; `run` builds and starts it.
set -u

[ -z "${SAN:-}" ] || { echo '1..0 # SKIP the programs are those of a plain build'; exit 0; }
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:?is set by make check}
libs="${LIBS:--luring -lm} -pthread"
guard='-Wl,-u,rv_sim_guard -lreeve_sim_guard'
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
ulimit -c 0
number=0

report() { # sentence status
    number=$((number + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' "$dir/out"
    fi
}

# Around the statements: a task named "body" in a simulated run, with a pair of sockets; main()
# has already done the same out of it, and `code` is what the run returned.
program() { # statements, options, more of main()
    cat <<END
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <reeve_sim.h>

static int fd = -1;
static char buf[8];

static int __attribute__((noinline)) culprit(void)
{
    long n = 0;

    $1
    return n < 0 ? -errno : 0;
}

static int body(void *arg)
{
    int pair[2], err = rv_socketpair(AF_UNIX, SOCK_STREAM, 0, pair);

    (void)arg;
    if (err < 0)
        return err;
    fd = pair[0];
    err = culprit();
    rv_close(pair[0]);
    rv_close(pair[1]);
    return err;
}

int main(void)
{
    rv_sim_options options = {};
    int code;

    options.without = RV_SIM_ALL;
    $2
    code = rv_sim_run(1, &options, body, NULL);
    $3
    return code < 0 ? -code : 0;
}
END
}

# The program of these statements: $ended is how it ends, $dir/out what it says.
run() { # statements, options, more of main(), compiler, flags, libraries
    language=c
    case ${4:-} in *++*) language=c++ ;; esac
    program "$1" "${2:-}" "${3:-}" >"$dir/program.c"
    # shellcheck disable=SC2086 # lists of flags
    if ! ${4:-${CC:-gcc}} -x $language -g -Wall -Wno-unused-result -Wno-unused-function \
        -Iinclude ${5:--O1} "$dir/program.c" -x none -o "$dir/program" -L"$build" \
        ${6:-$guard -lreeve} -Wl,-rpath,"$PWD/$build" $libs >"$dir/out" 2>&1; then
        ended=build
        return
    fi
    timeout 20 sh -c '${RUN:-} "$0"' "$dir/program" >"$dir/out" 2>&1
    ended=$?
}

says() { # words...: all of them
    for words in "$@"; do
        grep -qF -- "$words" "$dir/out" || return 1
    done
}

# ---- what ends the process ----

names() { # statements, the call as it is named, what to use, flags
    run "$1" '' '' '' "${4:-}"
    [ "$ended" = 134 ] && says "reeve: $2 at program+0x" \
        ': a raw call on a simulated descriptor' "$3" 'spawned at' 'replay: REEVE_SEED=1'
    report "$2 is named${4:+ with $4}" $?
}

names 'n = read(fd, buf, 1);' 'read(65536)' 'use rv_read()'
names 'n = read(fd, buf, 1);' 'read(65536)' 'use rv_read()' '-O0'
names 'n = read(fd, buf, (size_t)fd % 8 + 1);' 'read(65536)' 'use rv_read()' \
    '-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2'
names 'n = write(fd, buf, 1);' 'write(65536)' 'use rv_write()'
names 'n = recv(fd, buf, 1, 0);' 'recv(65536)' 'use rv_recv()'
names 'n = send(fd, buf, 1, 0);' 'send(65536)' 'use rv_send()'
names 'n = close(fd);' 'close(65536)' 'use rv_close()'
names 'n = accept(fd, NULL, NULL);' 'accept(65536)' 'use rv_accept()'
names 'n = setsockopt(fd, SOL_SOCKET, SO_LINGER, buf, 8);' 'setsockopt(65536)' \
    'use rv_setsockopt()'
names 'n = fcntl(fd, F_GETFL);' 'fcntl(65536)' 'nothing like it'
names 'n = fcntl(fd, F_GETFL);' 'fcntl64(65536)' 'nothing like it' '-D_FILE_OFFSET_BITS=64'
names 'struct stat s; n = fstat(fd, &s);' 'fstat(65536)' 'nothing like it'
names 'n = dup(fd);' 'dup(65536)' 'nothing like it'
names 'struct pollfd p = {fd, POLLIN, 0}; n = poll(&p, 1, 0);' 'poll(65536)' 'use rv_poll()'
names 'n = fdopen(fd, "r") ? 0 : -1;' 'fdopen(65536)' 'use rv_read()'

waits() { # statements, call
    run "$1"
    [ "$ended" = 134 ] && says "reeve: $2 at program+0x" ': all tasks would wait'
    report "$2 that makes all tasks wait is named" $?
}
waits 'usleep(1);' 'usleep()'
waits 'struct timespec t = {0, 1}; n = nanosleep(&t, NULL);' 'nanosleep()'
waits 'n = poll(NULL, 0, 1);' 'poll()'

# ---- what fails the run ----

unrepeatable() { # statements, call, what to use
    run "$1" '' 'if (code != -ENOTRECOVERABLE) return 1;'
    [ "$ended" = 131 ] && says "reeve: sim: $2 at program+0x" \
        ': the seed does not decide it' "use $3" 'task 1 "main"' 'replay: REEVE_SEED=1'
    report "$2 fails the run" $?
}
unrepeatable 'struct timespec t; n = clock_gettime(CLOCK_MONOTONIC, &t);' 'clock_gettime()' rv_now
unrepeatable 'n = time(NULL);' 'time()' rv_now
unrepeatable 'struct timeval t; n = gettimeofday(&t, NULL);' 'gettimeofday()' rv_now
unrepeatable 'n = getrandom(buf, 8, 0);' 'getrandom()' rv_random
unrepeatable 'n = rand();' 'rand()' rv_random
unrepeatable 'n = random();' 'random()' rv_random
unrepeatable 'pthread_t t; n = pthread_create(&t, NULL, (void *(*)(void *))time, NULL) * 0;
    pthread_join(t, NULL);' 'pthread_create()' rv_go

run 'for (int i = 0; i < 5; i++) n |= time(NULL); n |= time(NULL);'
[ "$ended" = 131 ] && [ "$(grep -c 'sim: time()' "$dir/out")" -eq 2 ]
report 'each place is told once' $?

run 'n = time(NULL);' 'options.allow_real = true;'
[ "$ended" = 0 ] && [ ! -s "$dir/out" ]
report 'what is allowed is not told' $?

# ---- what is let through ----

innocent='int real[2]; struct stat s; struct pollfd p;
    if (pipe(real) < 0 || write(real[1], "x", 1) != 1) return -EIO;
    p = (struct pollfd){real[0], POLLIN, 0};
    if (poll(&p, 1, 0) != 1 || read(real[0], buf, 1) != 1 || buf[0] != 120) return -EIO;
    if (fcntl(real[0], F_SETFL, O_NONBLOCK) || fcntl(real[0], F_GETFL) != O_NONBLOCK) return -EIO;
    if (fstat(real[0], &s) || !S_ISFIFO(s.st_mode) || close(real[0]) || close(real[1])) return -EIO;
    errno = 0; if (read(-1, buf, 1) != -1 || errno != EBADF) return -EIO;'
run "$innocent"
[ "$ended" = 0 ] && [ ! -s "$dir/out" ]
report 'calls on real descriptors go through, errno and all' $?

run '' '' 'struct timespec t = {0, 1000}; pthread_t p; fd = 65536;
    if (time(NULL) < 1000000 || nanosleep(&t, NULL) || poll(NULL, 0, 1)) return 1;
    if (clock_gettime(CLOCK_MONOTONIC, &t) || getrandom(buf, 8, 0) != 8 || rand() < 0) return 1;
    if (pthread_create(&p, NULL, (void *(*)(void *))time, NULL) || pthread_join(p, NULL)) return 1;
    if (read(fd, buf, 1) != -1 || errno != EBADF || close(fd) != -1 || errno != EBADF) return 1;'
[ "$ended" = 0 ] && [ ! -s "$dir/out" ]
report 'outside of a run all is as ever' $?

run '' '' 'code = rv_run(body, NULL, NULL);'
if grep -q 'io_uring' "$dir/out"; then
    number=$((number + 1))
    echo "ok $number - in a real run all is as ever # SKIP no io_uring here"
else
    run "if (!rv_sim()) { n = write(fd, buf, 1) != 1 || time(NULL) < 1 || usleep(1); }" '' \
        'code = rv_run(body, NULL, NULL);'
    [ "$ended" = 0 ] && [ ! -s "$dir/out" ]
    report 'in a real run all is as ever' $?
fi

run 'printf("%d\n", 42); fflush(stdout); free(malloc(100)); rv_write_all(1, "43\n", 3);'
[ "$ended" = 0 ] && [ "$(cat "$dir/out")" = "$(printf '42\n43')" ]
report 'a program that prints is not disturbed' $?

run 'rv_dump(2); if (rv_now() < 1) return -EIO; rv_random(buf, 8); return rv_sleep(RV_NEVER);' \
    'options.leave_open = true; setenv("REEVE_SEED", "1", 1);'
[ "$ended" = 131 ] && says 'waits in rv_sleep' 'deadlock' 'sim: ' 'task 1 "main"' &&
    ! grep -qE 'raw call|does not decide|would wait' "$dir/out"
report "the library's own calls are its own: traces, dumps, reports" $?

# ---- linked in other ways ----

run 'n = read(fd, buf, 1);' '' '' '' '' '-lreeve_sim_guard -l:libreeve.a'
[ "$ended" = 134 ] && says 'reeve: read(65536) at'
report 'with the static library' $?

run 'n = read(fd, buf, 1);' '' '' '' '' "-l:libreeve.so $guard"
[ "$ended" = 134 ] && says 'reeve: read(65536) at'
report 'behind the shared library' $?

run 'n = read(fd, buf, 1);' '' '' "${CXX:-g++}"
[ "$ended" = 134 ] && says 'reeve: read(65536) at' 'use rv_read()'
report 'in C++' $?

cat >"$dir/chrono.h" <<'END'
#ifdef __cplusplus
#include <chrono>
#endif
END
run 'n = (long)std::chrono::steady_clock::now().time_since_epoch().count();' '' '' \
    "${CXX:-g++}" "-include $dir/chrono.h"
[ "$ended" = 131 ] && says 'reeve: sim: clock_gettime() at' 'chrono'
report 'a clock that a shared library reads is named' $?

cat >"$dir/own.h" <<'END'
long time(long *out);
long time(long *out) { return out ? *out = 7 : 7; }
END
run 'n = time(NULL) == 7 ? 0 : -1;' '' '' '' "-include $dir/own.h"
[ "$ended" = 0 ] && [ ! -s "$dir/out" ]
report "a program's own function of such a name comes first" $?

run 'n = read(fd, buf, 1);' '' '' '' '' '-lreeve'
[ "$ended" != 134 ] && ! says 'raw call'
report 'without the guard nothing is caught' $?

# ---- by its name ----

if command -v pkg-config >/dev/null; then
    for pc in reeve reeve-sim; do
        sed -e "s|@LIBDIR@|$PWD/$build|; s|@INCLUDEDIR@|$PWD/include|; s|@[A-Z]*@||" \
            tools/$pc.pc.in >"$dir/$pc.pc"
    done
    run 'n = read(fd, buf, 1);' '' '' '' \
        "-O1 $(PKG_CONFIG_PATH=$dir pkg-config --cflags reeve-sim)" \
        "$(PKG_CONFIG_PATH=$dir pkg-config --libs reeve-sim)"
    [ "$ended" = 134 ] && says 'reeve: read(65536) at'
    report 'as pkg-config says' $?
fi
echo "1..$number"

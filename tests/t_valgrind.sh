#!/bin/sh
# t_valgrind.sh: valgrind's memcheck has nothing to say of tasks, parking, files and sockets, and
# still finds a real mistake in a task. The program has names but no lines: valgrind 3.19 gives
# up on what clang 14 writes of those.
set -u

skip() {
    echo "1..0 # SKIP $1"
    exit 0
}

[ -z "${SAN:-}" ] || skip 'a sanitizer and valgrind do not go together'
[ -z "${RUN:-}" ] || skip 'valgrind is for programs of this CPU'
command -v valgrind >/dev/null || skip 'no valgrind here'
cd "$(dirname "$0")/.." || exit 1
[ -f "$BUILD/libreeve.a" ] || skip 'the library is not built'
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
number=0

result() { # sentence status file-of-words
    number=$((number + 1))
    if [ "$2" = 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' "$3"
    fi
}

cat >"$dir/program.c" <<'END'
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "reeve.h"

static int pair[2], pipes[2], listener;
static unsigned long sum;

/* Branches on each byte, so that an undefined one is seen. */
static void look(const char *bytes, long count)
{
    for (long i = 0; i < count; i++)
        if (bytes[i] != 'x')
            sum += (unsigned char)bytes[i];
}

/* One file that is in the page cache, one that only the ring can read. */
static int files(void *arg)
{
    static const char *const names[] = {"/proc/self/stat", "/etc/passwd"};
    char *bytes = malloc(4096);
    int err = 0;

    for (int i = 0; i < 2 && err >= 0; i++) {
        int fd = rv_openat(AT_FDCWD, names[i], O_RDONLY, 0);
        long n = fd < 0 ? fd : rv_read(fd, bytes, 4096);
        look(bytes, n);
        if (fd >= 0)
            rv_close(fd);
        err = (int)n;
    }
    free(bytes);
    (void)arg;
    return err < 0 ? err : 0;
}

static int reader(void *arg)
{
    char bytes[3000];
    long n, total = 0;

    while ((n = rv_read(*(int *)arg, bytes, sizeof bytes)) > 0) {
        look(bytes, n);
        total += n;
    }
    return n < 0 ? (int)n : total == 100000 ? 0 : -EIO;
}

static int writer(void *arg)
{
    int fd = *(int *)arg, err = 0;
    char *bytes = malloc(1000);

    memset(bytes, 'y', 1000);
    for (int i = 0; i < 100 && err >= 0; i++)
        err = rv_write_all(fd, bytes, 1000);
    free(bytes);
    rv_close(fd);
    return err;
}

/* The kernel writes the peer's address, and memcheck must be told. */
static int server(void *arg)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    int fd = rv_accept(*(int *)arg, (struct sockaddr *)&peer, &len);

    if (fd < 0)
        return fd;
    if (len != sizeof peer || peer.sin_family != AF_INET || peer.sin_port == 0)
        return -EIO;
    return rv_close(fd);
}

static int client(void *arg)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int fd = rv_socket(AF_INET, SOCK_STREAM, 0), err;
    char byte;

    if (fd < 0 || rv_getsockname(*(int *)arg, (struct sockaddr *)&addr, &len) < 0)
        return -EIO;
    err = rv_connect(fd, (struct sockaddr *)&addr, len);
    if (err == 0)
        err = (int)rv_recv(fd, &byte, 1, 0);
    rv_close(fd);
    return err;
}

static int sleeper(void *arg)
{
    char deep[8000];

    memset(deep, *(char *)arg, sizeof deep);
    int err = rv_sleep(RV_MS);
    look(deep, sizeof deep);
    return err;
}

static int mistake(void *arg)
{
    volatile char bytes[16];

    bytes[0] = *(char *)arg;
    if (rv_yield() < 0)
        return -EIO;
    if (bytes[7] > bytes[8])
        sum++;
    return 0;
}

static int all(void *arg)
{
    const char *world = getenv("REEVE_BACKEND");
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    rv_group g;

    listener = rv_socket(AF_INET, SOCK_STREAM, 0);
    if (rv_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || rv_pipe(pipes, 0) < 0 ||
        rv_bind(listener, (struct sockaddr *)&any, sizeof any) < 0 || rv_listen(listener, 5) < 0)
        return -EIO;
    rv_group_open(&g, RV_NEVER);
    if (world == NULL || strcmp(world, "sim") != 0) /* which has files of its own */
        rv_go(&g, files, NULL);
    rv_go(&g, reader, &pair[0]);
    rv_go(&g, writer, &pair[1]);
    rv_go(&g, reader, &pipes[0]);
    rv_go(&g, writer, &pipes[1]);
    rv_go(&g, server, &listener);
    rv_go(&g, client, &listener);
    for (int i = 0; i < 300; i++) {
        char c = (char)i;
        rv_go_copy(&g, sleeper, &c, 1);
        if (i % 100 == 0 && rv_sleep(2 * RV_MS) < 0)
            return -EIO;
    }
    if (arg)
        rv_go(&g, mistake, "m");
    int err = rv_group_close(&g, 0);
    rv_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    (void)argv;
    int err = rv_run(all, argc > 1 ? pair : NULL, NULL);
    if (err < 0)
        fprintf(stderr, "rv_run: %s\n", strerror(-err));
    return sum == 0 || err < 0;
}
END

libs=${LIBS:--luring -lm}
"${CC:-gcc}" -O1 -g -Iinclude "$dir/program.c" "$BUILD/libreeve.a" $libs -pthread \
    -Wl,--strip-debug -o "$dir/program" >"$dir/words" 2>&1 || {
    result 'the program is built' 1 "$dir/words"
    echo "1..$number"
    exit 1
}
"$dir/program" >"$dir/words" 2>&1
result 'the program works without valgrind' $? "$dir/words"

memcheck() {
    valgrind --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite "$@" \
        >"$dir/words" 2>&1
}

for guard in auto mprotect; do
    REEVE_GUARD=$guard memcheck "$dir/program"
    result "memcheck is silent, guards: $guard" $? "$dir/words"
done

memcheck "$dir/program" with-a-mistake
[ $? = 99 ] && grep -q 'depends on uninitialised value' "$dir/words" && grep -q mistake "$dir/words"
result "memcheck finds a use of what was never set, and names the task's function" $? "$dir/words"
echo "1..$number"

/* echo_reeve.c: the echo server as a user of the library would write it; nothing is tuned. */
#include <errno.h>
#include <reeve.h>
#include <stdlib.h>

#include "bench.h"
#include "echo.h"

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[ECHO_BUFFER];
    ssize_t n;

    while ((n = rv_read(fd, buf, sizeof buf)) > 0)
        if (rv_write_all(fd, buf, (size_t)n) < 0)
            break;
    rv_close(fd);
    return 0;
}

static int serve(void *arg)
{
    int listener = *(int *)arg, fd;
    rv_group clients;

    rv_group_open(&clients, RV_NEVER);
    while ((fd = rv_accept(listener, NULL, NULL)) >= 0)
        if (rv_try_go_copy(&clients, echo, &fd, sizeof fd) < 0)
            rv_close(fd);
    return rv_group_close(&clients, fd);
}

static void run_on(const char *backend, int listener)
{
    bench_must(rv_run(serve, &listener, &(rv_options){.backend = backend}), "reeve");
}

void echo_reeve_serve(int listener)
{
    run_on(NULL, listener);
}

void echo_reeve_on_epoll_serve(int listener)
{
    run_on("epoll", listener);
}

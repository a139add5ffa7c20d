/* echo.c: a server in 30 lines: what comes in on a connection goes out again.
 *
 *   build/.../examples/echo 7000     then, elsewhere:  nc localhost 7000
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reeve.h"

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[4096];
    ssize_t n;

    while ((n = rv_read(fd, buf, sizeof buf)) > 0)
        if (rv_write_all(fd, buf, (size_t)n) < 0)
            break;
    rv_close(fd);
    return 0; /* a bad client fails itself, not the server */
}

static int serve(int listener)
{
    rv_group clients;
    int fd;

    rv_group_open(&clients, RV_NEVER);
    while ((fd = rv_accept(listener, NULL, NULL)) >= 0)
        if (rv_try_go_copy(&clients, echo, &fd, sizeof fd) < 0)
            rv_close(fd);
    return rv_group_close(&clients, fd); /* fd is the error */
}

static int server(void *arg)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(*(uint16_t *)arg)};
    int fd = rv_socket(AF_INET, SOCK_STREAM, 0);
    int err = rv_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));

    if (err == 0)
        err = rv_bind(fd, (struct sockaddr *)&addr, sizeof addr);
    if (err == 0)
        err = rv_listen(fd, 4096);
    return err < 0 ? err : serve(fd);
}

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 7000);
    int err = rv_run(server, &port, NULL);

    fprintf(stderr, "echo: %s\n", strerror(-err));
    return 1;
}

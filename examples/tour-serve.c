/* tour-serve.c: the chapter of the server: many connections on loopback, a task each, every
 * message sent back. The clients (tour-clients.c) are told what to do over a socket, and compare
 * what they get.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tour.h"

static struct {
    int listener, control;
    long open, echoed;
} server;

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[512];
    ssize_t n;

    server.open++;
    while ((n = rv_read(fd, buf, sizeof buf)) > 0 && rv_write_all(fd, buf, (size_t)n) == 0)
        server.echoed++;
    rv_close(fd);
    server.open--;
    return 0;
}

static int accept_all(void *arg)
{
    rv_group connections;
    int fd;

    (void)arg;
    rv_group_open(&connections, RV_NEVER);
    while ((fd = rv_accept(server.listener, NULL, NULL)) >= 0)
        rv_go_copy(&connections, echo, &fd, sizeof fd);
    return rv_group_close(&connections, fd); /* fd is the error */
}

static int ask(enum order order, struct answer *answer)
{
    char byte = (char)order;
    ssize_t n = rv_write_all(server.control, &byte, 1);

    if (n == 0)
        n = rv_read_full(server.control, answer, sizeof *answer);
    return n < 0 ? (int)n : n == sizeof *answer ? answer->err : -EPIPE;
}

static rv_time cpu_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * RV_S + t.tv_nsec;
}

static int serve_connections(void)
{
    long before = memory_now(), grown;
    rv_time start = rv_now(), time;
    struct answer answer;
    int err;

    progress("connections", &server.open, scale.connections);
    err = ask(CONNECT, &answer);
    if (err < 0)
        return err;
    time = rv_now() - start;
    grown = memory_now() - before;
    expect(server.open == scale.connections, "%ld connections are open", server.open);
    row("connections open at once", server.open, time, megabytes(grown), "%s to open; %s bytes",
        duration((double)time / (double)scale.connections).is,
        number(grown / scale.connections).is);
    return 0;
}

/* Every client sends its next message as soon as the last one has come back. */
static int serve_flood(void)
{
    long messages = scale.connections * scale.rounds;
    rv_time start = rv_now(), cpu = cpu_time();
    struct answer answer;
    int err;

    server.echoed = 0;
    progress("messages", &server.echoed, messages);
    err = ask(FLOOD, &answer);
    if (err < 0)
        return err;
    cpu = cpu_time() - cpu;
    expect(server.echoed == messages, "%ld messages were echoed", server.echoed);
    row("messages echoed, all at once", messages, rv_now() - start, nothing,
        "%s of CPU; half in %s, 99 %% in %s", duration((double)cpu / (double)messages).is,
        duration((double)answer.half).is, duration((double)answer.most).is);
    return 0;
}

/* Every client has its moment for one message. */
static int serve_paced(void)
{
    rv_time start = rv_now();
    struct answer answer;
    int err;

    server.echoed = 0;
    progress("messages", &server.echoed, scale.connections);
    err = ask(PACED, &answer);
    if (err < 0)
        return err;
    expect(server.echoed == scale.connections, "%ld messages were echoed", server.echoed);
    row("messages echoed, spread out", server.echoed, rv_now() - start, nothing,
        "half in %s, 99 %% in %s", duration((double)answer.half).is,
        duration((double)answer.most).is);
    return 0;
}

static int serve(void *arg)
{
    rv_group group;
    int err;

    (void)arg;
    rv_group_open(&group, RV_NEVER);
    rv_go(&group, accept_all, NULL);
    err = serve_connections();
    if (err == 0)
        err = serve_flood();
    if (err == 0)
        err = serve_paced();
    if (err == 0)
        tell("%s connections, a task each; every message came back as it was sent",
             number(scale.connections).is);
    if (err == 0)
        err = rv_shutdown(server.control, SHUT_WR); /* no more orders: the clients hang up */
    while (err == 0 && server.open > 0)
        err = rv_sleep(RV_MS);
    rv_group_cancel(&group); /* the listener is all that is left */
    return rv_group_close(&group, err);
}

static int listen_on_loopback(struct sockaddr_in *at)
{
    socklen_t length = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof *at) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)at, &length) < 0)
        return -errno;
    return fd;
}

/* Here no runtime is running: one would not survive the fork. */
static pid_t fork_clients(const int control[2], struct sockaddr_in at)
{
    pid_t parent = getpid(), child = fork();

    if (child != 0)
        return child < 0 ? -errno : child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(server.listener);
    close(control[0]);
    _exit(getppid() == parent ? clients_main(control[1], at) : 1);
}

int serve_other_process(void)
{
    struct sockaddr_in at;
    int control[2], status = 0, err;
    pid_t child;

    server.listener = listen_on_loopback(&at);
    if (server.listener < 0)
        return server.listener;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, control) < 0)
        return -errno;
    server.control = control[0];
    child = fork_clients(control, at);
    if (child < 0)
        return child;
    close(control[1]);
    err = run("serve", serve);
    close(server.control); /* the clients' last order, if there was an error */
    close(server.listener);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    expect(status == 0, "the clients' process ended with status %#x", (unsigned)status);
    return err;
}

/* many.c: see many.h. The echo is that of echo_reeve.c, and counts. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "many.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <reeve.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "echo.h"

/* What the server's process has; the tasks get at it without arguments. */
static struct many_server self;
static int listeners[MANY_MOST];

static void add(uint64_t *to, uint64_t what)
{
    __atomic_store_n(to, *to + what, __ATOMIC_RELAXED);
}

/* ---- the server ---- */

static int echo(void *arg)
{
    int fd = *(int *)arg;
    struct many_seat *seat = &self.seat[rv_worker()];
    char buf[ECHO_BUFFER];
    ssize_t n;

    add(&seat->connections, 1);
    while ((n = rv_read(fd, buf, sizeof buf)) > 0) {
        if (rv_write_all(fd, buf, (size_t)n) < 0)
            break;
        add(&seat->served, 1);
    }
    add(&seat->connections, (uint64_t)-1);
    rv_close(fd);
    return 0;
}

static int accept_all(int listener, rv_group *clients)
{
    int fd;

    while ((fd = rv_accept(listener, NULL, NULL)) >= 0)
        if (rv_try_go_copy(clients, echo, &fd, sizeof fd) < 0)
            rv_close(fd);
    return fd;
}

static int accept_here(void *arg)
{
    rv_group clients;

    rv_group_open(&clients, RV_NEVER);
    return rv_group_close(&clients, accept_all(*(int *)arg, &clients));
}

static int keep_busy(void *arg)
{
    uint64_t ms, end_ns;

    rv_name("hog");
    while (rv_read_full(self.hog, &ms, sizeof ms) == (ssize_t)sizeof ms) {
        end_ns = bench_now_ns() + ms * 1000000;
        while (bench_now_ns() < end_ns)
            ;
    }
    (void)arg;
    return 0;
}

static int serve_spread(void *arg)
{
    rv_group all, clients;
    int err;

    (void)arg;
    rv_group_open(&all, RV_NEVER);
    rv_go_on(&all, self.workers - 1, keep_busy, NULL);
    rv_spread_open(&clients, RV_NEVER);
    err = rv_group_close(&clients, accept_all(listeners[0], &clients));
    return rv_group_close(&all, err);
}

static int serve_reuseport(void *arg)
{
    rv_group all;

    (void)arg;
    rv_group_open(&all, RV_NEVER);
    rv_go_on(&all, self.workers - 1, keep_busy, NULL);
    for (unsigned i = 0; i < self.workers; i++)
        rv_go_on(&all, i, accept_here, &listeners[i]);
    return rv_group_close(&all, 0);
}

/* ---- its process ---- */

static int listen_at(struct sockaddr_in *at, bool shared_port)
{
    socklen_t len = sizeof *at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        (shared_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0) ||
        bind(fd, (struct sockaddr *)at, sizeof *at) < 0 || listen(fd, ECHO_BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)at, &len) < 0)
        bench_die("listen: %s", strerror(errno));
    return fd;
}

static void be_server(enum many_accept how, pid_t parent)
{
    const rv_options options = {.workers = self.workers};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    bench_must(rv_run(how == MANY_SPREAD ? serve_spread : serve_reuseport, NULL, &options),
               "serve");
    _exit(1);
}

void many_start(struct many_server *s, enum many_accept how, unsigned workers)
{
    unsigned count = how == MANY_SPREAD ? 1 : workers;
    size_t bytes = workers * sizeof *s->seat;
    pid_t parent = getpid();

    if (workers > MANY_MOST)
        bench_die("more than %d workers", MANY_MOST);
    *s = (struct many_server){.workers = workers, .hog = eventfd(0, EFD_CLOEXEC)};
    s->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->seat = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->hog < 0 || s->seat == MAP_FAILED)
        bench_die("a server: %s", strerror(errno));
    for (unsigned i = 0; i < count; i++)
        listeners[i] = listen_at(&s->at, how == MANY_REUSEPORT);
    fflush(NULL);
    self = *s;
    s->pid = fork();
    if (s->pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (s->pid == 0)
        be_server(how, parent);
    for (unsigned i = 0; i < count; i++)
        close(listeners[i]);
}

void many_stop(struct many_server *s)
{
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(s->hog);
    munmap(s->seat, s->workers * sizeof *s->seat);
}

void many_hog(struct many_server *s, uint64_t ms)
{
    if (write(s->hog, &ms, sizeof ms) != (ssize_t)sizeof ms)
        bench_die("eventfd: %s", strerror(errno));
}

/* ---- its figures ---- */

void many_served(const struct many_server *s, uint64_t *out)
{
    for (unsigned i = 0; i < s->workers; i++)
        out[i] = __atomic_load_n(&s->seat[i].served, __ATOMIC_RELAXED);
}

double many_jain_served(const struct many_server *s, const uint64_t *before)
{
    uint64_t now[MANY_MOST];
    struct jain jain = {0};

    many_served(s, now);
    for (unsigned i = 0; i < s->workers; i++)
        jain_add(&jain, (double)(now[i] - before[i]));
    return jain_index(&jain);
}

double many_jain_connections(const struct many_server *s)
{
    struct jain jain = {0};

    for (unsigned i = 0; i < s->workers; i++)
        jain_add(&jain, (double)__atomic_load_n(&s->seat[i].connections, __ATOMIC_RELAXED));
    return jain_index(&jain);
}

unsigned long many_open_files(void)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (unsigned long)limit.rlim_cur;
}

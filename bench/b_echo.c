/* b_echo.c: TCP echo on loopback, 64-byte messages: what the server pays a message.
 *
 * For 50, 1000 and 10000 connections with one message under way each, and 50 with eight (_d8):
 *
 *   echo_N                µs of server CPU a message, the library's server (echo_reeve.c)
 *   echo_raw_epoll_N      the same of raw_epoll.c
 *   echo_raw_uring_S_N    the same of the raw io_uring servers, S: poll, ops, stream
 *   echo_raw_uring_N      the best of those (by its median; standard error says which)
 *   echo_ratio_N          the library's over the best raw server's, whichever that is, computed
 *                         round by round, and of those the median
 *   echo_on_epoll_N       the library's server again, on its epoll backend
 *   echo_on_epoll_ratio_N that over raw_epoll.c, in the same way
 *   ..._p50, _p99, _p999  µs a reply took, as the client saw it (median over the windows)
 *
 * Servers and their clients are processes of their own: all servers on one CPU (--pin, or 1), all
 * clients on another. All are up and connected at once, but only one pair at a time has traffic;
 * the others sleep. A round gives each its window, starting with another one each time, so that
 * the machine's drift and what a predecessor left in the caches meet all alike. The first round
 * is not counted.
 *
 * The figure is CPU, not throughput: a server that spins pays for it here. It is read from the
 * kernel's clock of the whole process, threads included, while the server sleeps (see load.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "echo.h"

enum { MESSAGE = 64, WARM_MS = 50, SPARE_FDS = 64 };

struct setting {
    const char *name;
    unsigned connections, depth, window_ms, rounds;
};

static const struct setting settings[] = {
    {"50", 50, 1, 250, 21},
    {"1000", 1000, 1, 250, 21},
    {"10000", 10000, 1, 600, 13},
    {"50_d8", 50, 8, 250, 21},
};

enum {
    RAW_EPOLL,
    RAW_URING_FIRST,
    RAW_URING_LAST = RAW_URING_FIRST + 2,
    REEVE,
    ON_EPOLL,
    CONTENDERS
};

static struct contender {
    const char *name; /* between "echo_" and the setting's; the library's row has none */
    void (*serve)(int listener);
    pid_t server, client;
    int link; /* to the client: an order out, a load_window back; -1: out of the race */
    struct bench_row cpu, p50, p99, p999;
    uint64_t messages, wall_ns, server_ns;
} contenders[CONTENDERS] = {
    {.name = "raw_epoll_", .serve = raw_epoll_serve},
    {.name = "raw_uring_poll_", .serve = raw_uring_poll_serve},
    {.name = "raw_uring_ops_", .serve = raw_uring_ops_serve},
    {.name = "raw_uring_stream_", .serve = raw_uring_stream_serve},
    {.name = "", .serve = echo_reeve_serve},
    {.name = "on_epoll_", .serve = echo_reeve_on_epoll_serve},
};

static int server_cpu = 1, client_cpu;

/* ---- processes ---- */

static int listen_on_loopback(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)at, sizeof *at) < 0 || listen(fd, ECHO_BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)at, &len) < 0)
        bench_die("listen: %s", strerror(errno));
    return fd;
}

/* Returns 0 in the child, which dies with its parent. */
static pid_t fork_on(int cpu)
{
    pid_t parent = getpid(), pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    for (struct contender *c = contenders; c < contenders + CONTENDERS; c++)
        if (c->link >= 0)
            close(c->link);
    bench_pin(cpu);
    return 0;
}

static void run_client(const struct load_spec *spec, int link)
{
    struct load *load = load_open(spec);
    struct load_window window = {0};
    uint64_t order_ns;

    if (!load)
        _exit(1);
    do { /* the first answer, of no window, says that all are connected */
        if (write(link, &window, sizeof window) != (ssize_t)sizeof window)
            _exit(1);
        if (read(link, &order_ns, sizeof order_ns) != (ssize_t)sizeof order_ns)
            _exit(0);
    } while (load_run(load, WARM_MS * 1000000u, order_ns, &window));
    bench_note("%u connections: the server stopped answering", spec->connections);
    _exit(1);
}

static bool window_of(struct contender *c, uint64_t order_ns, struct load_window *out)
{
    if (order_ns && send(c->link, &order_ns, sizeof order_ns, MSG_NOSIGNAL) < 0)
        return false;
    return read(c->link, out, sizeof *out) == (ssize_t)sizeof *out;
}

static void stop(struct contender *c)
{
    if (c->link < 0)
        return;
    close(c->link);
    c->link = -1;
    kill(c->server, SIGKILL);
    kill(c->client, SIGKILL);
    waitpid(c->client, NULL, 0);
    waitpid(c->server, NULL, 0);
}

static void start(struct contender *c, const struct setting *setting)
{
    struct load_spec spec = {
        .connections = setting->connections, .bytes = MESSAGE, .depth = setting->depth};
    struct load_window nothing;
    int listener = listen_on_loopback(&spec.server), ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        bench_die("socketpair: %s", strerror(errno));
    c->server = fork_on(server_cpu);
    if (c->server == 0) {
        close(ends[0]);
        close(ends[1]);
        c->serve(listener);
        _exit(1);
    }
    close(listener);
    if (clock_getcpuclockid(c->server, &spec.server_cpu) != 0)
        bench_die("the server's clock: %s", strerror(errno));
    c->client = fork_on(client_cpu);
    if (c->client == 0) {
        close(ends[0]);
        run_client(&spec, ends[1]);
    }
    close(ends[1]);
    c->link = ends[0];
    if (!window_of(c, 0, &nothing)) {
        bench_note("echo_%s%s: left out, the server does not serve", c->name, setting->name);
        stop(c);
    }
}

/* ---- figures ---- */

static void open_rows(struct contender *c, const struct setting *setting)
{
    bench_row_open(&c->cpu, "us", "echo_%s%s", c->name, setting->name);
    bench_row_open(&c->p50, "us", "echo_%s%s_p50", c->name, setting->name);
    bench_row_open(&c->p99, "us", "echo_%s%s_p99", c->name, setting->name);
    bench_row_open(&c->p999, "us", "echo_%s%s_p999", c->name, setting->name);
    c->messages = c->wall_ns = c->server_ns = 0;
}

static void add_window(struct contender *c, const struct load_window *window)
{
    bench_row_add(&c->cpu, (double)window->server_ns / 1e3 / (double)window->messages);
    bench_row_add(&c->p50, window->p50_us);
    bench_row_add(&c->p99, window->p99_us);
    bench_row_add(&c->p999, window->p999_us);
    c->messages += window->messages;
    c->wall_ns += window->wall_ns;
    c->server_ns += window->server_ns;
}

static void print_rows(const struct contender *c)
{
    bench_row_print(&c->cpu);
    bench_row_print(&c->p50);
    bench_row_print(&c->p99);
    bench_row_print(&c->p999);
    if (c->messages)
        bench_note("%s: %.0f messages/s, server %.0f %% busy", c->cpu.name,
                   (double)c->messages * 1e9 / (double)c->wall_ns,
                   100.0 * (double)c->server_ns / (double)c->wall_ns);
}

/* The lowest median of those from first to last that finished, or NULL. */
static const struct contender *best(int first, int last)
{
    const struct contender *found = NULL;

    for (const struct contender *c = contenders + first; c <= contenders + last; c++)
        if (c->cpu.count > 0 && c->link >= 0 &&
            (!found || bench_row_median(&c->cpu) < bench_row_median(&found->cpu)))
            found = c;
    return found;
}

static void print_best_uring(const struct setting *setting)
{
    const struct contender *uring = best(RAW_URING_FIRST, RAW_URING_LAST);
    struct bench_row row;

    if (!uring)
        return;
    row = uring->cpu;
    bench_row_open(&row, "us", "echo_raw_uring_%s", setting->name);
    row.count = uring->cpu.count;
    bench_row_print(&row);
    bench_note("%s is %s", row.name, uring->cpu.name);
}

static void print_ratio(const struct contender *reeve, const struct contender *raw,
                        const struct setting *setting)
{
    struct bench_row row;

    if (!raw || raw->link < 0 || reeve->link < 0)
        return;
    bench_row_open(&row, "x", "echo_%sratio_%s", reeve->name, setting->name);
    for (unsigned i = 0; i < reeve->cpu.count && i < raw->cpu.count; i++)
        bench_row_add(&row, reeve->cpu.value[i] / raw->cpu.value[i]);
    bench_row_print(&row);
    bench_note("%s is against %s", row.name, raw->cpu.name);
}

static void measure(const struct setting *setting)
{
    unsigned rounds = bench_runs(setting->rounds);

    for (int i = 0; i < CONTENDERS; i++) {
        open_rows(&contenders[i], setting);
        start(&contenders[i], setting);
    }
    for (unsigned round = 0; round <= rounds; round++)
        for (unsigned i = 0; i < CONTENDERS; i++) {
            struct contender *c = &contenders[(i + round) % CONTENDERS];
            struct load_window window;
            if (c->link < 0)
                continue;
            if (!window_of(c, setting->window_ms * 1000000u, &window))
                stop(c);
            else if (round > 0)
                add_window(c, &window);
        }
    for (int i = CONTENDERS - 1; i >= 0; i--)
        print_rows(&contenders[i]);
    print_best_uring(setting);
    print_ratio(&contenders[REEVE], best(RAW_EPOLL, RAW_URING_LAST), setting);
    print_ratio(&contenders[ON_EPOLL], &contenders[RAW_EPOLL], setting);
    for (int i = 0; i < CONTENDERS; i++)
        stop(&contenders[i]);
}

static rlim_t open_files_max(void)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

int main(int argc, char **argv)
{
    rlim_t files = open_files_max();

    bench_init(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        bench_note("left out, it takes two CPUs");
        return 0;
    }
    if (bench.pin >= 0)
        server_cpu = bench.pin;
    client_cpu = server_cpu == 0 ? 1 : 0;
    for (struct contender *c = contenders; c < contenders + CONTENDERS; c++)
        c->link = -1;
    for (const struct setting *s = settings; s < settings + BENCH_COUNT(settings); s++) {
        char row[BENCH_NAME_MAX];
        snprintf(row, sizeof row, "echo_%s", s->name);
        if (!bench_wanted(row))
            continue;
        if (s->connections + SPARE_FDS > files) {
            bench_note("%s: left out, only %lu open files are allowed", row, (unsigned long)files);
            continue;
        }
        measure(s);
    }
    return 0;
}

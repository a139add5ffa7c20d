/* b_accept.c: a TCP echo server on several workers: who gets the connections, and what that brings.
 *
 * Servers, each a process of its own (many.c):
 *   spread      one task accepts and spawns into a spread group; four workers
 *   reuseport   a listener and an accepting task on each of four workers (SO_REUSEPORT, rv_go_on)
 *   w1, w2      as spread, on one worker and on two
 * For each server S, 1,000 connections with a message of 64 bytes under way each:
 *   S_1000_rate              requests a second
 *   S_1000_cpu               µs of server CPU a request
 *   S_1000_p50, _p99, _p999  µs a reply took
 *   S_1000_jain_placed       how alike the workers' numbers of connections are (bench.h)
 *   S_1000_jain_workers      how alike the numbers of requests that they served are
 *   S_1000_jain_connections  the same of the connections
 * and for w1 and w2 also with 50. short_S_...: connect, one request, close, 64 at a time.
 * w2_N_speedup is the rate of w2 over that of w1, round by round.
 *
 * The load is this process, on one thread. All take turns, and none is kept to a CPU: on two cores
 * the load has what the server's workers leave it, so that the rates of two and more workers say
 * how little the server takes, and not how fast it could be.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "echo.h"
#include "loads.h"
#include "many.h"

enum { MESSAGE = 64, WARM_MS = 50, WINDOW_MS = 250, AT_ONCE = 64, SPARE_FDS = 64 };

enum figure {
    RATE,
    CPU,
    P50,
    P99,
    P999,
    JAIN_PLACED,
    JAIN_WORKERS,
    JAIN_CONNECTIONS,
    SPEEDUP, /* over the one before */
    FIGURES
};

static const struct {
    const char *name, *unit;
} figures[FIGURES] = {
    {"rate", "/s"},   {"cpu", "us"},       {"p50", "us"},        {"p99", "us"},
    {"p999", "us"},   {"jain_placed", ""}, {"jain_workers", ""}, {"jain_connections", ""},
    {"speedup", "x"},
};

static struct contender {
    const char *name;
    enum many_accept how;
    unsigned workers;
    bool against_last; /* its speedup is over the one before */
    struct many_server server;
    struct load *load;
    struct bench_row row[FIGURES];
    double last_rate;
} ways[] = {{.name = "spread", .how = MANY_SPREAD, .workers = 4},
            {.name = "reuseport", .how = MANY_REUSEPORT, .workers = 4}},
  echoes[] = {{.name = "w1", .how = MANY_SPREAD, .workers = 1},
              {.name = "w2", .how = MANY_SPREAD, .workers = 2, .against_last = true}};

struct setting {
    const char *prefix, *suffix; /* around a contender's name */
    unsigned connections;        /* 0: short ones */
    struct contender *first;
    unsigned count;
};

static const struct setting settings[] = {
    {"", "_50", 50, echoes, BENCH_COUNT(echoes)},
    {"", "_1000", 1000, echoes, BENCH_COUNT(echoes)},
    {"", "_1000", 1000, ways, BENCH_COUNT(ways)},
    {"short_", "", 0, ways, BENCH_COUNT(ways)},
};

/* ---- one window ---- */

static clockid_t cpu_clock_of(const struct many_server *s)
{
    clockid_t clock;

    bench_must(-clock_getcpuclockid(s->pid, &clock), "the server's CPU clock");
    return clock;
}

static uint64_t cpu_ns_of(const struct many_server *s)
{
    struct timespec t = {0};

    clock_gettime(cpu_clock_of(s), &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void closed_loop(struct contender *c, double *value)
{
    struct load_window window;

    if (!load_run(c->load, WARM_MS * 1000000u, WINDOW_MS * 1000000u, &window))
        bench_die("%s: the server does not serve", c->name);
    value[RATE] = (double)window.messages * 1e9 / (double)window.wall_ns;
    value[CPU] = (double)window.server_ns / 1e3 / (double)window.messages;
    value[P50] = window.p50_us;
    value[P99] = window.p99_us;
    value[P999] = window.p999_us;
    value[JAIN_PLACED] = many_jain_connections(&c->server);
    value[JAIN_CONNECTIONS] = window.jain;
}

static void short_ones(struct contender *c, double *value)
{
    static struct short_window window;
    const struct timespec settle = {.tv_nsec = 5000000}; /* the server goes to sleep: load.c */
    uint64_t before_ns = cpu_ns_of(&c->server);

    if (!load_short(&c->server.at, AT_ONCE, WINDOW_MS * 1000000u, &window))
        bench_die("%s: the server does not serve", c->name);
    nanosleep(&settle, NULL);
    value[RATE] = (double)window.requests * 1e9 / (double)window.wall_ns;
    value[CPU] = (double)(cpu_ns_of(&c->server) - before_ns) / 1e3 / (double)window.requests;
    value[P50] = histogram_us(&window.latency, 0.5);
    value[P99] = histogram_us(&window.latency, 0.99);
    value[P999] = histogram_us(&window.latency, 0.999);
}

/* What was not measured is negative. */
static void window_of(const struct setting *s, struct contender *c, double *value)
{
    uint64_t before[MANY_MOST];

    for (int i = 0; i < FIGURES; i++)
        value[i] = -1;
    many_served(&c->server, before);
    if (s->connections)
        closed_loop(c, value);
    else
        short_ones(c, value);
    if (c->workers > 1)
        value[JAIN_WORKERS] = many_jain_served(&c->server, before);
    else
        value[JAIN_PLACED] = -1;
    if (c->against_last)
        value[SPEEDUP] = value[RATE] / (c - 1)->last_rate;
    c->last_rate = value[RATE];
}

/* ---- a setting ---- */

static void row_name(const struct setting *s, const struct contender *c, const char *figure,
                     char *out, size_t room)
{
    snprintf(out, room, "%s%s%s%s%s", s->prefix, c->name, s->suffix, *figure ? "_" : "", figure);
}

static void open_contender(const struct setting *s, struct contender *c)
{
    char name[BENCH_NAME_MAX];
    struct load_spec spec = {.connections = s->connections, .bytes = MESSAGE, .depth = 1};

    many_start(&c->server, c->how, c->workers);
    for (int i = 0; i < FIGURES; i++) {
        row_name(s, c, figures[i].name, name, sizeof name);
        bench_row_open(&c->row[i], figures[i].unit, "%s", name);
    }
    if (!s->connections)
        return;
    spec.server = c->server.at;
    spec.server_cpu = cpu_clock_of(&c->server);
    c->load = load_open(&spec);
    if (!c->load)
        bench_die("%s: the server does not serve", c->name);
}

static void close_contender(struct contender *c)
{
    for (int i = 0; i < FIGURES; i++)
        bench_row_print(&c->row[i]);
    if (c->load)
        load_close(c->load);
    c->load = NULL;
    many_stop(&c->server);
}

static void measure(const struct setting *s)
{
    unsigned runs = bench_runs(9);

    for (unsigned i = 0; i < s->count; i++)
        open_contender(s, &s->first[i]);
    for (unsigned round = 0; round <= runs; round++)
        for (unsigned i = 0; i < s->count; i++) {
            double value[FIGURES];

            window_of(s, &s->first[i], value);
            for (int f = 0; f < FIGURES && round > 0; f++)
                if (value[f] >= 0)
                    bench_row_add(&s->first[i].row[f], value[f]);
        }
    for (unsigned i = 0; i < s->count; i++)
        close_contender(&s->first[i]);
}

static bool wanted(const struct setting *s)
{
    char name[BENCH_NAME_MAX];

    for (unsigned i = 0; i < s->count; i++)
        for (int f = 0; f < FIGURES; f++) {
            row_name(s, &s->first[i], figures[f].name, name, sizeof name);
            if (bench_wanted(name))
                return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    unsigned long files = many_open_files();

    bench_init(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    for (const struct setting *s = settings; s < settings + BENCH_COUNT(settings); s++) {
        if (!wanted(s))
            continue;
        if (s->connections * s->count + SPARE_FDS > files) {
            bench_note("%u connections: left out, only %lu open files are allowed", s->connections,
                       files);
            continue;
        }
        measure(s);
    }
    return 0;
}

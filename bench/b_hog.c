/* b_hog.c: a task computes for seconds on one of four workers: what do the clients of the others
 * notice, and those of its own?
 *
 * 1,000 connections with a light load (a request of 64 bytes each 50 ms); half of them are accepted
 * before the hog begins, half right after. It computes for 1.5 s on the last worker. S: the ways to
 * accept of b_accept.c, spread and reuseport.
 *
 *   hog_S_calm_p999          ms that a request took, with nobody computing
 *   hog_S_before_p50, _p999  while somebody does, of connections from before
 *   hog_S_after_p50, _p999   of connections from after
 *   hog_S_before_stuck, hog_S_after_stuck
 *                            % of the connections of which a request took longer than half the hog
 *
 * A started task keeps its worker, so that connections that are there when the hog begins wait for
 * its end, a quarter of them; that is the same in both ways. The watchdog's line is the server's,
 * on standard error. What is looked for is what happens to those that come after. A late request is
 * late from when it was due (loads.h). The hog also takes one of this machine's cores.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>

#include "bench.h"
#include "loads.h"
#include "many.h"

enum { HALF = 500, INTERVAL_MS = 50, CALM_MS = 400, HOG_MS = 1500, BEGUN_MS = 20, WORKERS = 4 };
enum { MS = 1000000, SPARE_FDS = 64 };

enum figure {
    CALM_P999,
    BEFORE_P50,
    BEFORE_P999,
    BEFORE_STUCK,
    AFTER_P50,
    AFTER_P999,
    AFTER_STUCK
};
enum { FIGURES = AFTER_STUCK + 1 };

static const struct {
    const char *name, *unit;
} figures[FIGURES] = {
    {"calm_p999", "ms"}, {"before_p50", "ms"}, {"before_p999", "ms"}, {"before_stuck", "%"},
    {"after_p50", "ms"}, {"after_p999", "ms"}, {"after_stuck", "%"},
};

static const struct {
    const char *name;
    enum many_accept how;
} ways[] = {{"spread", MANY_SPREAD}, {"reuseport", MANY_REUSEPORT}};

static struct bench_row rows[BENCH_COUNT(ways)][FIGURES];

static void must(bool good, const char *what)
{
    if (!good)
        bench_die("%s: the server does not serve", what);
}

static double stuck_percent(const struct paced *load, const struct histogram *h)
{
    return (double)paced_slow(load, h, HOG_MS * MS / 2) * 100 / HALF;
}

/* A fresh server: who came before tells where the next go. */
static void run(enum many_accept how, double *value)
{
    static struct histogram calm, before, after;
    struct many_server server;
    struct paced *load;

    calm = before = after = (struct histogram){0};
    many_start(&server, how, WORKERS);
    load = paced_open(&server.at, 2 * HALF, INTERVAL_MS * MS);
    must(paced_connect(load, HALF, &calm) && paced_run(load, CALM_MS * MS), "calm");
    must(paced_drain(load), "calm");
    paced_count_in(load, &before);
    many_hog(&server, HOG_MS);
    must(paced_run(load, BEGUN_MS * MS), "before");
    must(paced_connect(load, HALF, &after), "after");
    must(paced_run(load, (HOG_MS - 2 * BEGUN_MS) * MS) && paced_drain(load), "after");
    value[CALM_P999] = histogram_us(&calm, 0.999) / 1e3;
    value[BEFORE_P50] = histogram_us(&before, 0.5) / 1e3;
    value[BEFORE_P999] = histogram_us(&before, 0.999) / 1e3;
    value[BEFORE_STUCK] = stuck_percent(load, &before);
    value[AFTER_P50] = histogram_us(&after, 0.5) / 1e3;
    value[AFTER_P999] = histogram_us(&after, 0.999) / 1e3;
    value[AFTER_STUCK] = stuck_percent(load, &after);
    paced_close(load);
    many_stop(&server);
}

static bool wanted(void)
{
    for (unsigned w = 0; w < BENCH_COUNT(ways); w++)
        for (int f = 0; f < FIGURES; f++)
            if (bench_wanted(rows[w][f].name))
                return true;
    return false;
}

int main(int argc, char **argv)
{
    double value[FIGURES];
    unsigned runs;

    if (many_open_files() < 2 * HALF + SPARE_FDS)
        bench_die("%lu open files are too few", many_open_files());
    bench_init(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned w = 0; w < BENCH_COUNT(ways); w++)
        for (int f = 0; f < FIGURES; f++)
            bench_row_open(&rows[w][f], figures[f].unit, "hog_%s_%s", ways[w].name,
                           figures[f].name);
    if (!wanted())
        return 0;
    runs = bench_runs(5);
    for (unsigned round = 0; round <= runs; round++)
        for (unsigned w = 0; w < BENCH_COUNT(ways); w++) {
            run(ways[w].how, value);
            for (int f = 0; f < FIGURES && round > 0; f++)
                bench_row_add(&rows[w][f], value[f]);
        }
    for (unsigned w = 0; w < BENCH_COUNT(ways); w++)
        for (int f = 0; f < FIGURES; f++)
            if (bench_wanted(rows[w][f].name))
                bench_row_print(&rows[w][f]);
    return 0;
}

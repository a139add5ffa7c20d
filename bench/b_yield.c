/* b_yield.c: what it costs to let the next task run, and what call depth adds to it.
 *
 * yield2, yield1000   ns a switch between 2 tasks, and around 1,000
 * yield_depth1, 3     ns a switch when rv_yield() is called 1 or 3 frames below the loop
 * switch_depth1, 3    the same with the bare switch: what the CPU charges anyone for each frame
 *                     that must return into a caller its return predictor has forgotten
 *
 * How such rows mislead, and what is done here:
 *  - Copies of one loop make every switch land at the same address, which the CPU predicts for
 *    free. Here the first task has a call site of its own, and the others are spread over 16
 *    functions that the compiler is kept from folding into one. The 1,000 pick theirs in a
 *    scrambled order, so that no short cycle can be learned.
 *  - A tail call in a depth row would remove the frame: each does something after the call.
 *  - First runs of tasks (page faults of their stacks) are over before the clock starts.
 *  - The figure divides by the switches that should have happened; each task counts its own, and
 *    an unfair order is an error, not a good figure.
 */
#include <errno.h>
#include <reeve.h>

#include "bench.h"
#include "raw_context.h"

enum { SWITCHES = 10000000 };

static volatile bool stop;
static long started, switches;

/* ---- tasks: one function a call site ---- */

#define YIELDER(site)                              \
    static int yielder_##site(void *arg)           \
    {                                              \
        long mine = 0;                             \
        int err = 0;                               \
        (void)arg;                                 \
        started++;                                 \
        while (!stop && (err = rv_yield()) >= 0) { \
            BENCH_DISTINCT(site);                  \
            mine++;                                \
        }                                          \
        switches += mine;                          \
        return err;                                \
    }

BENCH_SITES(YIELDER)

#define NAME(site) yielder_##site,
static rv_fn *const yielders[] = {BENCH_SITES(NAME)};

/* Frames between a loop and its switch, for two sides that must not share code. */
#define FRAMES(side, site, call)                   \
    static BENCH_NOINLINE long side##_frame1(void) \
    {                                              \
        long result = (call);                      \
        BENCH_DISTINCT(site);                      \
        return result;                             \
    }                                              \
    static BENCH_NOINLINE long side##_frame2(void) \
    {                                              \
        long result = side##_frame1();             \
        BENCH_DISTINCT(site);                      \
        return result;                             \
    }                                              \
    static BENCH_NOINLINE long side##_frame3(void) \
    {                                              \
        long result = side##_frame2();             \
        BENCH_DISTINCT(site);                      \
        return result;                             \
    }

FRAMES(first, 1, rv_yield())
FRAMES(second, 2, rv_yield())

#define DEEP_YIELDER(depth)                                 \
    static int deep_yielder_##depth(void *arg)              \
    {                                                       \
        long mine = 0, err = 0;                             \
        (void)arg;                                          \
        started++;                                          \
        while (!stop && (err = second_frame##depth()) >= 0) \
            mine++;                                         \
        switches += mine;                                   \
        return (int)err;                                    \
    }                                                       \
    static int deep_laps_##depth(long laps)                 \
    {                                                       \
        long err = 0;                                       \
        while (laps-- > 0 && err >= 0)                      \
            err = first_frame##depth();                     \
        return (int)err;                                    \
    }

DEEP_YIELDER(1)
DEEP_YIELDER(3)

static int laps_here(long laps)
{
    int err = 0;

    while (laps-- > 0 && err >= 0)
        err = rv_yield();
    return err;
}

/* ---- one measurement: the first task goes round with `others` further ones ---- */

struct round_trip {
    long others;
    rv_fn *other; /* NULL: the sixteen, scrambled */
    int (*go_round)(long laps);
    double ns;
};

static rv_fn *scrambled(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return yielders[(*seed >> 24) % BENCH_COUNT(yielders)];
}

static int measure(void *arg)
{
    struct round_trip *trip = arg;
    long laps = SWITCHES / (trip->others + 1);
    uint32_t seed = 1;
    rv_group group;
    int err = 0;

    stop = false;
    started = switches = 0;
    rv_group_open(&group, RV_NEVER);
    for (long i = 0; i < trip->others; i++)
        rv_go(&group, trip->other ? trip->other : scrambled(&seed), NULL);
    while (started < trip->others && err >= 0)
        err = rv_yield();
    if (err >= 0)
        err = trip->go_round(100); /* the order settles, the predictors learn */
    bench_begin();
    if (err >= 0)
        err = trip->go_round(laps);
    trip->ns = bench_end_ns() / (double)(laps * (trip->others + 1));
    stop = true;
    err = rv_group_close(&group, err);
    if (err >= 0 && switches < trip->others * (laps + 100) * 99 / 100)
        bench_die("%ld switches where at least %ld were due: rv_yield passed some tasks over",
                  switches, trip->others * (laps + 100));
    return err;
}

static double run_trip(struct round_trip trip)
{
    bench_must(rv_run(measure, &trip, NULL), "rv_run");
    return trip.ns;
}

static double yield2(void)
{
    return run_trip((struct round_trip){1, yielder_0, laps_here, 0});
}

static double yield1000(void)
{
    return run_trip((struct round_trip){999, NULL, laps_here, 0});
}

static double yield_depth1(void)
{
    return run_trip((struct round_trip){1, deep_yielder_1, deep_laps_1, 0});
}

static double yield_depth3(void)
{
    return run_trip((struct round_trip){1, deep_yielder_3, deep_laps_3, 0});
}

/* ---- the bare switch, at the same depths ---- */

static struct context here, there;

FRAMES(near, 3, context_switch(&here, &there))
FRAMES(far, 4, context_switch(&there, &here))

static void far_side_1(void *arg)
{
    (void)arg;
    for (;;)
        far_frame1();
}

static void far_side_3(void *arg)
{
    (void)arg;
    for (;;)
        far_frame3();
}

static double switch_depth1(void)
{
    struct raw_stack stack = raw_context_open(&there, far_side_1);
    double ns;

    bench_begin();
    for (long i = 0; i < SWITCHES / 2; i++)
        near_frame1();
    ns = bench_end_ns();
    raw_context_close(stack);
    return ns / SWITCHES;
}

static double switch_depth3(void)
{
    struct raw_stack stack = raw_context_open(&there, far_side_3);
    double ns;

    bench_begin();
    for (long i = 0; i < SWITCHES / 2; i++)
        near_frame3();
    ns = bench_end_ns();
    raw_context_close(stack);
    return ns / SWITCHES;
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"yield2", "ns", yield2},
        {"yield1000", "ns", yield1000},
        {"yield_depth1", "ns", yield_depth1},
        {"switch_depth1", "ns", switch_depth1},
        {"yield_depth3", "ns", yield_depth3},
        {"switch_depth3", "ns", switch_depth3},
    };

    bench_init(argc, argv);
    bench_run(cases, BENCH_COUNT(cases), bench_runs(9));
    return 0;
}

/* b_wake.c: how long it takes to be heard by another worker, or by a runtime from another thread.
 *
 * One way, ns from just before the wake to the woken task's first instruction; each with _p99:
 *   wake_spinning   two tasks on two workers that hand a baton to and fro and do nothing else: each
 *                   worker still looks on when the baton comes back
 *   wake_busy       the same, with a task on each worker that yields for ever
 *   wake_asleep     the woken one's worker has slept for some ms, its core halted
 *   wake_asleep_futex, wake_asleep_eventfd
 *                   a plain thread in its place, woken by the bare system call: the machine's part
 * There and back, ns:
 *   on_spinning, on_asleep       rv_on() of an empty function, as above
 *   call_spinning, call_asleep   rv_runtime_call() of one, from a plain thread
 *
 * Batons are made of sched/waiter.h, as sync's objects are. What was called is counted where it
 * ran.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "histogram.h"
#include "sched/runtime.h"
#include "sched/waiter.h"

enum { HANDOVERS = 20000, WARM = 1000, NAPS = 60, NAP_US = 3000, CALLS = 10000 };

static struct histogram latency; /* of the case that runs; written by one thread at a time */
static uint64_t sent_ns;         /* when what is under way was sent */
static uint32_t arrivals;        /* atomic */

static void arrived(void)
{
    histogram_add(&latency, bench_now_ns() - sent_ns);
    __atomic_store_n(&arrivals, arrivals + 1, __ATOMIC_RELEASE);
}

static void busy_for(uint64_t span_ns)
{
    for (uint64_t end_ns = bench_now_ns() + span_ns; bench_now_ns() < end_ns;)
        cpu_relax();
}

/* Long enough after the last one has arrived that who waits for the next one sleeps. */
static void let_sleep(uint32_t sent)
{
    while (__atomic_load_n(&arrivals, __ATOMIC_ACQUIRE) != sent)
        cpu_relax();
    busy_for(NAP_US * 1000);
}

/* ---- batons: one place, in which lies nothing, a baton, or who waits for it ---- */

struct baton {
    _Alignas(64) struct waiter *place; /* atomic */
};

#define BATON_HERE ((struct waiter *)1)

static const struct wait_kind baton_kind = {.name = "baton", .shared = true};

static void baton_give(struct baton *b)
{
    struct waiter *w = NULL;

    if (__atomic_compare_exchange_n(&b->place, &w, BATON_HERE, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return;
    ASSERT(w != BATON_HERE); /* there is one baton */
    __atomic_store_n(&b->place, NULL, __ATOMIC_RELEASE);
    (void)waiter_take(w);
    waiter_wake(w, 0);
}

static int baton_take(struct baton *b)
{
    struct waiter here, *none = NULL;

    waiter_init(&here, worker_self->task);
    if (__atomic_compare_exchange_n(&b->place, &none, &here, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return wait_park(here.task, &baton_kind, b, RV_NEVER);
    __atomic_store_n(&b->place, NULL, __ATOMIC_RELEASE);
    return 0;
}

/* ---- two workers that hand it to and fro ---- */

static struct baton there, back;
static bool over; /* atomic: batons are no longer handed */

static int answer(void *arg)
{
    int err;

    for (int i = 0; i < WARM + HANDOVERS; i++) {
        err = baton_take(&there);
        if (err < 0)
            return err;
        if (i >= WARM)
            arrived();
        sent_ns = bench_now_ns();
        baton_give(&back);
    }
    (void)arg;
    return 0;
}

static int ask(void *arg)
{
    rv_group g;
    int err = 0;

    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, 1, answer, NULL);
    for (int i = 0; i < WARM + HANDOVERS && err >= 0; i++) {
        sent_ns = bench_now_ns();
        baton_give(&there);
        err = baton_take(&back);
        if (i >= WARM)
            arrived();
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    (void)arg;
    return rv_group_close(&g, err);
}

static int yield_for_ever(void *arg)
{
    int err = 0;

    while (err >= 0 && !__atomic_load_n(&over, __ATOMIC_RELAXED))
        err = rv_yield();
    (void)arg;
    return err;
}

static int ask_among_others(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, 0, yield_for_ever, NULL);
    rv_go_on(&g, 1, yield_for_ever, NULL);
    return rv_group_close(&g, ask(arg));
}

/* ---- one that sleeps ---- */

static int nap(void *arg)
{
    int err = 0;

    for (int i = 0; i < NAPS && err >= 0; i++) {
        err = baton_take(&there);
        arrived();
    }
    (void)arg;
    return err;
}

/* The sender keeps its own core awake. */
static int wake_from_naps(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, 1, nap, NULL);
    for (uint32_t i = 0; i < NAPS; i++) {
        let_sleep(i);
        sent_ns = bench_now_ns();
        baton_give(&there);
    }
    (void)arg;
    return rv_group_close(&g, 0);
}

/* ---- the bare system calls ---- */

static uint32_t futex_word;
static int event_fd;

static void *nap_on_futex(void *arg)
{
    for (uint32_t i = 0; i < NAPS; i++) {
        while (__atomic_load_n(&futex_word, __ATOMIC_ACQUIRE) == i)
            syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, i, NULL, NULL, 0);
        arrived();
    }
    return arg;
}

static void wake_futex(void)
{
    __atomic_fetch_add(&futex_word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *nap_on_eventfd(void *arg)
{
    uint64_t count;

    for (int i = 0; i < NAPS; i++) {
        if (read(event_fd, &count, sizeof count) != (ssize_t)sizeof count)
            bench_die("eventfd: %s", strerror(errno));
        arrived();
    }
    return arg;
}

static void wake_eventfd(void)
{
    const uint64_t one = 1;

    if (write(event_fd, &one, sizeof one) != (ssize_t)sizeof one)
        bench_die("eventfd: %s", strerror(errno));
}

static void wake_thread(void *(*sleeper)(void *), void (*wake)(void))
{
    pthread_t thread;

    bench_must(-pthread_create(&thread, NULL, sleeper, NULL), "pthread_create");
    for (uint32_t i = 0; i < NAPS; i++) {
        let_sleep(i);
        sent_ns = bench_now_ns();
        wake();
    }
    pthread_join(thread, NULL);
}

static void case_futex(void)
{
    futex_word = 0;
    wake_thread(nap_on_futex, wake_futex);
}

static void case_eventfd(void)
{
    event_fd = eventfd(0, EFD_CLOEXEC);
    bench_must(event_fd < 0 ? -errno : 0, "eventfd");
    wake_thread(nap_on_eventfd, wake_eventfd);
    close(event_fd);
}

/* ---- there and back ---- */

static int count_one(void *arg)
{
    (*(long *)arg)++;
    return 0;
}

static void check_count(long got, long wanted)
{
    if (got != wanted)
        bench_die("%ld of %ld arrived", got, wanted);
}

static int on_repeatedly(int times, uint64_t rest_ns)
{
    long count = 0;
    int err = 0;

    for (int i = 0; i < times && err >= 0; i++) {
        busy_for(rest_ns);
        sent_ns = bench_now_ns();
        err = rv_on(1, count_one, &count);
        arrived();
    }
    check_count(count, times);
    return err;
}

static int on_spinning(void *arg)
{
    (void)arg;
    return on_repeatedly(CALLS, 0);
}

static int on_asleep(void *arg)
{
    (void)arg;
    return on_repeatedly(NAPS, NAP_US * 1000);
}

static void call_repeatedly(int times, uint64_t rest_ns)
{
    rv_runtime *rt;
    long count = 0;

    bench_must(rv_runtime_new(&rt, &(rv_options){.workers = 1}), "rv_runtime_new");
    for (int i = 0; i < times; i++) {
        busy_for(rest_ns);
        sent_ns = bench_now_ns();
        bench_must(rv_runtime_call(rt, count_one, &count), "rv_runtime_call");
        arrived();
    }
    rv_runtime_free(rt);
    check_count(count, times);
}

static void case_call_spinning(void)
{
    call_repeatedly(CALLS, 0);
}

static void case_call_asleep(void)
{
    call_repeatedly(NAPS, NAP_US * 1000);
}

/* ---- rows ---- */

struct latency_case {
    const char *name;
    rv_fn *fn;         /* on two workers; NULL: */
    void (*run)(void); /* on no runtime, or one of its own */
};

static const struct latency_case latencies[] = {
    {"wake_spinning", ask, NULL},
    {"wake_busy", ask_among_others, NULL},
    {"wake_asleep", wake_from_naps, NULL},
    {"wake_asleep_futex", NULL, case_futex},
    {"wake_asleep_eventfd", NULL, case_eventfd},
    {"on_spinning", on_spinning, NULL},
    {"on_asleep", on_asleep, NULL},
    {"call_spinning", NULL, case_call_spinning},
    {"call_asleep", NULL, case_call_asleep},
};

static void run_latency(const struct latency_case *c)
{
    /* who lets others sleep keeps its worker, and would be named for it */
    const rv_options two = {.workers = 2, .watchdog_ms = RV_WATCHDOG_OFF};

    latency = (struct histogram){0};
    arrivals = 0;
    there.place = back.place = NULL;
    over = false;
    if (c->fn)
        bench_must(rv_run(c->fn, NULL, &two), c->name);
    else
        c->run();
}

static void measure_latencies(unsigned runs)
{
    static struct bench_row p50[BENCH_COUNT(latencies)], p99[BENCH_COUNT(latencies)];

    for (size_t i = 0; i < BENCH_COUNT(latencies); i++) {
        bench_row_open(&p50[i], "ns", "%s", latencies[i].name);
        bench_row_open(&p99[i], "ns", "%s_p99", latencies[i].name);
    }
    for (unsigned round = 0; round <= runs; round++)
        for (size_t i = 0; i < BENCH_COUNT(latencies); i++) {
            if (!bench_wanted(latencies[i].name))
                continue;
            run_latency(&latencies[i]);
            if (round == 0)
                continue;
            bench_row_add(&p50[i], histogram_us(&latency, 0.5) * 1e3);
            bench_row_add(&p99[i], histogram_us(&latency, 0.99) * 1e3);
        }
    for (size_t i = 0; i < BENCH_COUNT(latencies); i++) {
        bench_row_print(&p50[i]);
        bench_row_print(&p99[i]);
    }
}

int main(int argc, char **argv)
{
    bench_init(argc, argv);
    if (bench.pin >= 0)
        bench_note("kept to one CPU: nobody is heard before the other one sleeps");
    measure_latencies(bench_runs(9));
    return 0;
}

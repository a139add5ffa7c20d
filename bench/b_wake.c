/* b_wake.c: what it takes to be heard by another worker, and by a runtime from another thread.
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
 * One after the other, ns each, wall time until the last has arrived:
 *   message_1, message_2   bare messages from one worker to another, from two to one
 *   go_on                  tasks: rv_go_on() in groups of 1,000
 *   post_T_wN              rv_runtime_post() by T plain threads to a runtime of N workers
 *
 * Batons are made of sched/waiter.h, as sync's objects are. message_2 and post_2 have more threads
 * than this machine may have cores: then they share them. What was sent is counted where it arrives.
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
enum { MESSAGES = 400000, WINDOW = 4096, GROUPS = 100, GROUP = 1000, POSTS = 100000 };

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

/* ---- bare messages: each sender has a window of them, and waits when all are under way ---- */

struct sender {
    _Alignas(64) uint64_t delivered; /* by the receiver */
    _Alignas(64) struct sent {
        struct message message;
        struct sender *of;
    } window[WINDOW];
    struct worker *to;
};

static struct sender senders[2];
static uint64_t first_sent_ns;

static void deliver(struct message *m)
{
    struct sender *of = ((struct sent *)m)->of;

    __atomic_store_n(&of->delivered, of->delivered + 1, __ATOMIC_RELEASE);
}

static int send_all(void *arg)
{
    struct sender *s = arg;
    int err = 0;

    for (uint64_t i = 0; i < MESSAGES && err >= 0; i++) {
        struct sent *next = &s->window[i % WINDOW];

        while (i - __atomic_load_n(&s->delivered, __ATOMIC_ACQUIRE) >= WINDOW && err >= 0)
            err = rv_yield();
        *next = (struct sent){.message.deliver = deliver, .of = s};
        worker_post(s->to, &next->message);
    }
    while (__atomic_load_n(&s->delivered, __ATOMIC_ACQUIRE) < MESSAGES && err >= 0)
        err = rv_yield();
    return err;
}

static int send_from(unsigned count)
{
    rv_group g;

    memset(senders, 0, sizeof senders);
    rv_group_open(&g, RV_NEVER);
    first_sent_ns = bench_now_ns();
    for (unsigned i = 0; i < count; i++) {
        senders[i].to = worker_self;
        rv_go_on(&g, 1 + i, send_all, &senders[i]);
    }
    return rv_group_close(&g, 0);
}

static int messages(void *arg)
{
    double *ns = arg;
    unsigned count = rv_workers() - 1;
    int err = send_from(count);

    *ns = (double)(bench_now_ns() - first_sent_ns) / count / MESSAGES;
    return err;
}

static double timed_messages(unsigned count)
{
    double ns = 0;

    bench_must(rv_run(messages, &ns, &(rv_options){.workers = count + 1}), "rv_run");
    return ns;
}

static double message_1(void)
{
    return timed_messages(1);
}

static double message_2(void)
{
    return timed_messages(2);
}

/* ---- tasks for another worker ---- */

static int go_on_repeatedly(void *arg)
{
    double *ns = arg;
    uint64_t start_ns = bench_now_ns();
    long count = 0;
    int err = 0;

    for (int i = 0; i < GROUPS && err >= 0; i++) {
        rv_group g;

        rv_group_open(&g, RV_NEVER);
        for (int j = 0; j < GROUP; j++)
            rv_go_on(&g, 1, count_one, &count);
        err = rv_group_close(&g, 0);
    }
    *ns = (double)(bench_now_ns() - start_ns) / GROUPS / GROUP;
    check_count(count, GROUPS * GROUP);
    return err;
}

static double go_on(void)
{
    double ns = 0;

    bench_must(rv_run(go_on_repeatedly, &ns, &(rv_options){.workers = 2}), "rv_run");
    return ns;
}

/* ---- posts ---- */

static rv_runtime *posted_to;
static uint64_t posts_ran; /* atomic */

static int ran(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&posts_ran, 1, __ATOMIC_RELEASE);
    return 0;
}

static void *post_all(void *arg)
{
    for (int i = 0; i < POSTS; i++)
        bench_must(rv_runtime_post(posted_to, ran, NULL, 0), "rv_runtime_post");
    return arg;
}

static double posts(unsigned threads, unsigned workers)
{
    pthread_t thread[2];
    uint64_t start_ns;
    double ns;

    posts_ran = 0;
    bench_must(rv_runtime_new(&posted_to, &(rv_options){.workers = workers}), "rv_runtime_new");
    start_ns = bench_now_ns();
    for (unsigned i = 0; i < threads; i++)
        bench_must(-pthread_create(&thread[i], NULL, post_all, NULL), "pthread_create");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    while (__atomic_load_n(&posts_ran, __ATOMIC_ACQUIRE) < (uint64_t)threads * POSTS)
        usleep(50);
    ns = (double)(bench_now_ns() - start_ns) / threads / POSTS;
    rv_runtime_free(posted_to);
    return ns;
}

static double post_1_w1(void)
{
    return posts(1, 1);
}

static double post_2_w1(void)
{
    return posts(2, 1);
}

static double post_1_w2(void)
{
    return posts(1, 2);
}

static double post_2_w2(void)
{
    return posts(2, 2);
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
    static const struct bench_case rates[] = {
        {"message_1", "ns", message_1}, {"message_2", "ns", message_2},
        {"go_on", "ns", go_on},         {"post_1_w1", "ns", post_1_w1},
        {"post_2_w1", "ns", post_2_w1}, {"post_1_w2", "ns", post_1_w2},
        {"post_2_w2", "ns", post_2_w2},
    };

    bench_init(argc, argv);
    if (bench.pin >= 0)
        bench_note("kept to one CPU: nobody is heard before the other one sleeps");
    measure_latencies(bench_runs(9));
    bench_run(rates, BENCH_COUNT(rates), bench_runs(9));
    return 0;
}

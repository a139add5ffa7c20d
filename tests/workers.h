/* workers.h: what the tests of several workers share: a runtime of four, on however many cores, and
 * words for what more than one thread reads and writes.
 *
 * Tests place their tasks with rv_go_on where it matters, and wait for each other with UNTIL: they
 * rest neither on a clock nor on which worker is quick. What only real threads can do (a task that
 * keeps its core while others work) says so.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "tests/net.h"

#include "sched/runtime.h"

enum { WORKERS = 4 };

static inline int run_workers(rv_fn *fn, void *arg)
{
    const rv_options four = {.workers = WORKERS, .watchdog_ms = RV_WATCHDOG_OFF};

    return rv_run(fn, arg, &four);
}

#define TEST_WORKERS(sentence)                           \
    static int sentence##_task(void *unused);            \
    TEST(sentence)                                       \
    {                                                    \
        CHECK_EQ(run_workers(sentence##_task, NULL), 0); \
    }                                                    \
    static int sentence##_task(void *unused __attribute__((unused)))

#define TEST_WORKERS_DIES(sentence, text)         \
    static int sentence##_task(void *unused);     \
    TEST_DIES(sentence, text)                     \
    {                                             \
        (void)run_workers(sentence##_task, NULL); \
    }                                             \
    static int sentence##_task(void *unused __attribute__((unused)))

#define ADD(counter) __atomic_add_fetch(&(counter), 1, __ATOMIC_SEQ_CST)
#define SUB(counter) __atomic_sub_fetch(&(counter), 1, __ATOMIC_SEQ_CST)
#define GET(value) __atomic_load_n(&(value), __ATOMIC_SEQ_CST)
#define SET(value, to) __atomic_store_n(&(value), to, __ATOMIC_SEQ_CST)

static inline void raise_to(int *most, int value)
{
    int was = GET(*most);

    while (was < value && !__atomic_compare_exchange_n(most, &was, value, false, __ATOMIC_SEQ_CST,
                                                       __ATOMIC_SEQ_CST))
        ;
}

/* Lets others run until it is so: 0, or -ECANCELED. */
#define UNTIL(cond)                                   \
    ({                                                \
        int until_ = 0;                               \
        while (!(cond) && (until_ = rv_yield()) == 0) \
            ;                                         \
        until_;                                       \
    })

/* One on each worker. */
#define GO_ON_EACH(g, fn, arg)                    \
    do {                                          \
        for (unsigned w_ = 0; w_ < WORKERS; w_++) \
            rv_go_on((g), w_, (fn), (arg));       \
    } while (0)

/* Sleeps until it is cancelled. */
static int asleep, cancelled;

static inline int sleep_for_ever(void *unused)
{
    int err;

    (void)unused;
    ADD(asleep);
    err = rv_sleep(RV_NEVER);
    if (err == -ECANCELED)
        ADD(cancelled);
    return err;
}

static inline int count_branches(void *unused)
{
    int count = 0;

    (void)unused;
    for (int i = 0; i < BRANCH_BUCKETS; i++)
        count += worker_self->branches[i] != NULL;
    return count;
}

/* Once its group is closed, no worker knows anything of it. */
static inline void check_no_branches(void)
{
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(rv_on(i, count_branches, NULL), i == 0 ? 0 : 1); /* that of the call itself */
}

#endif

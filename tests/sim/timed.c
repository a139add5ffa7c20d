/* timed.c: groups whose tasks, on all workers, wait for their deadline and nothing else, while
 * others keep the workers busy with messages: it is the deadline that ended them, whichever worker
 * saw it first, and each close says so.
 */
#include "tests/sim/scenario.h"

enum { TIMED_MOST = 6, TASKS_MOST = 4, CHATS_MOST = 60 };

static int sleep_on(void *unused)
{
    int err = rv_sleep(RV_NEVER);

    (void)unused;
    PROMISE(err == -ECANCELED, "it slept for ever, and says %d", err);
    check_over();
    return err;
}

static int timed(void *unused)
{
    rv_time deadline = rv_after((rv_time)below(100 * RV_US));
    rv_group g;
    int err;

    (void)unused;
    rv_spread_open(&g, deadline);
    for (uint64_t i = from_to(1, TASKS_MOST); i > 0; i--)
        rv_go_on(&g, (unsigned)below(rv_workers()), sleep_on, NULL);
    err = rv_group_close(&g, 0);
    PROMISE(err == -ETIMEDOUT, "a deadline ended its tasks, and the group says %d", err);
    PROMISE(rv_now() >= deadline, "timed out too early");
    return 0;
}

static int nothing(void *unused)
{
    (void)unused;
    return 0;
}

static int chat(void *unused)
{
    (void)unused;
    for (uint64_t i = below(CHATS_MOST); i > 0; i--)
        PROMISE(rv_on((unsigned)below(rv_workers()), nothing, NULL) == 0, "rv_on");
    return 0;
}

SCENARIO(timed, "a deadline that several workers see is one deadline",
         .runtime.workers = RV_WORKERS_AUTO)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, TIMED_MOST); i > 0; i--)
        rv_go(&g, one_in(3) ? chat : timed, NULL);
    return rv_group_close(&g, 0);
}

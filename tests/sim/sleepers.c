/* sleepers.c: storms of sleeps, yields and spawns: nobody wakes early, nobody is left behind.
 *
 * How late is late: a 1,024th of the longest wait that may be due together (wait.h), at most 1 ms,
 * and what runs meanwhile, which in a simulated world takes microseconds.
 */
#include "tests/sim/scenario.h"

enum { SLEEPERS_MOST = 60, LINKS_MOST = 100, YIELDS_MOST = 20000 };
#define LATE_MOST (20 * RV_MS)

static unsigned last_started;
static bool oldest_has_started;

static int sleeper(void *unused)
{
    (void)unused;
    for (uint64_t i = from_to(1, 6); i > 0; i--) {
        rv_time span = one_in(4) ? (rv_time)below(10 * RV_S) : (rv_time)below(100 * RV_US);
        rv_time when = rv_after(span),
                deadline = one_in(3) ? rv_after((rv_time)below(RV_S)) : RV_NEVER;
        rv_time until = when < deadline ? when : deadline, now;
        long err = UNTIL(deadline, rv_sleep_until(when));

        now = rv_now();
        PROMISE(err == 0 || (err == -ETIMEDOUT && deadline != RV_NEVER), "sleep: %ld", err);
        PROMISE(now >= until, "woken %lld ns early", (long long)(until - now));
        PROMISE(err != 0 || now >= when, "slept too little");
        PROMISE(now - until <= LATE_MOST, "woken %lld ns late", (long long)(now - until));
    }
    return 0;
}

/* Each link of a chain spawns the next; somebody yields all the time; the first record spawned must
 * have its turn all the same (hazard 52). */
static int chain(void *arg)
{
    unsigned left = *(unsigned *)arg;
    rv_group g;

    if (left-- == 0)
        return 0;
    last_started = left;
    rv_group_open(&g, RV_NEVER);
    rv_go_copy(&g, chain, &left, sizeof left);
    return rv_group_close(&g, 0);
}

static int oldest(void *unused)
{
    (void)unused;
    oldest_has_started = true;
    return 0;
}

/* Never waits, and never yields either. */
static int busy(void *unused)
{
    int ends[2];
    char byte = 0;

    (void)unused;
    open_way(WAY_PIPE, ends);
    for (unsigned rounds = 0; !oldest_has_started; rounds++) {
        PROMISE(rv_write(ends[1], &byte, 1) == 1 && rv_read(ends[0], &byte, 1) == 1, "a byte");
        PROMISE(rounds < YIELDS_MOST, "a record starves");
    }
    close_fd(ends[0]);
    close_fd(ends[1]);
    return 0;
}

static int yielder(void *unused)
{
    unsigned yields = 0;

    (void)unused;
    while (!oldest_has_started) {
        PROMISE(rv_yield() == 0, "cancelled?");
        PROMISE(++yields < YIELDS_MOST, "a record starves");
    }
    return 0;
}

SCENARIO(sleepers, "nobody wakes early or much too late, and nobody starves")
{
    unsigned links = (unsigned)below(LINKS_MOST);
    rv_group g;

    oldest_has_started = false;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, oldest, NULL);
    for (uint64_t i = below(3); i > 0; i--)
        rv_go(&g, yielder, NULL);
    for (uint64_t i = below(3); i > 0; i--)
        rv_go(&g, busy, NULL);
    for (uint64_t i = below(SLEEPERS_MOST); i > 0; i--)
        rv_go(&g, sleeper, NULL);
    rv_go(&g, chain, &links);
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    PROMISE(oldest_has_started, "the oldest never ran");
    return 0;
}

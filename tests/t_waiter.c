/* t_waiter.c: the doorway's other half (sched/waiter.h), with an object of the test's own: pots of
 * tokens, which tasks of all workers put in and take out. Each token is taken once or is still
 * there, each wait has one outcome, and no wake-up is lost: of ten million, if asked for them,
 *
 *     REEVE_TEST_WAKES=10000000 TEST_SECONDS=600 build/x86_64-gcc/tests/t_waiter
 *
 * A wait may be for either of two pots, so that two givers on two workers want to end it at once;
 * and for a time, in a scope with a deadline, which is cancelled.
 */
#include "tests/workers.h"

#include "sched/waiter.h"

/* ---- the object ---- */

struct pot {
    struct lock lock;
    long tokens;
    struct link waits; /* oldest first */
};

/* On the stack of who waits, with a place in each of its pots. */
struct pot_wait {
    struct waiter waiter;
    struct place {
        struct link link;
        struct pot_wait *wait;
        struct pot *pot;
        bool queued; /* under the pot's lock */
    } places[2];
    int count;
};

static long wakes_across; /* of waiters of another worker */

static void pot_init(struct pot *p)
{
    *p = (struct pot){.tokens = 0};
    list_init(&p->waits);
}

static void leave_pot(struct place *p)
{
    lock_take(&p->pot->lock);
    if (p->queued)
        list_remove(&p->link);
    p->queued = false;
    lock_give(&p->pot->lock);
}

static void leave_pots(struct pot_wait *w)
{
    for (int i = 0; i < w->count; i++)
        leave_pot(&w->places[i]);
}

static bool pot_abort(struct task *t, void *on)
{
    struct pot_wait *w = on;

    (void)t;
    return waiter_take(&w->waiter); /* who took it first is about to wake; it leaves by itself */
}

static const struct wait_kind pot_kind = {
    .name = "a pot, until there is a token", .abort = pot_abort, .shared = true};

/* The first who waits there and whom nobody else wakes. */
static struct pot_wait *next_wait(struct pot *p)
{
    while (!list_empty(&p->waits)) {
        struct place *place = CONTAINER(list_pop_front(&p->waits), struct place, link);

        place->queued = false;
        if (waiter_take(&place->wait->waiter))
            return place->wait;
    }
    return NULL;
}

static void pot_give(struct pot *p)
{
    struct pot_wait *w;

    lock_take(&p->lock);
    w = next_wait(p);
    p->tokens += w == NULL;
    lock_give(&p->lock);
    if (w == NULL)
        return;
    if (w->waiter.task->worker != worker_self)
        ADD(wakes_across);
    waiter_wake(&w->waiter, 1);
}

/* A token that is there; else the wait is queued. */
static bool take_or_queue(struct place *place)
{
    struct pot *p = place->pot;
    bool there;

    lock_take(&p->lock);
    there = p->tokens > 0 && waiter_take(&place->wait->waiter);
    p->tokens -= there;
    if (!there) {
        list_push_back(&p->waits, &place->link);
        place->queued = true;
    }
    lock_give(&p->lock);
    return there;
}

/* 1: a token, of one of them; 0: the time has come; -ECANCELED. b may be NULL. */
static int pot_take(struct pot *a, struct pot *b, rv_time until)
{
    struct task *me = worker_self->task;
    struct pot_wait w = {.count = b ? 2 : 1, .places = {{.pot = a}, {.pot = b}}};
    int got = 0;

    if (task_over(me))
        return wait_refuse(me, -ECANCELED);
    waiter_init(&w.waiter, me);
    for (int i = 0; i < w.count && !got; i++) {
        w.places[i].wait = &w;
        got = take_or_queue(&w.places[i]);
        if (got)
            w.count = i; /* those before it are queued */
    }
    if (!got)
        got = wait_park(me, &pot_kind, &w, until);
    leave_pots(&w);
    return got;
}

/* ---- ping and pong ---- */

static long wakes_wanted(void)
{
    const char *text = getenv("REEVE_TEST_WAKES");

    return text ? atol(text) / 2 : SCALED(150000, 5000);
}

static struct pot pots[2 * WORKERS];

/* Until there were enough; the other one waits then, and is cancelled. No timer may stand behind a
 * wake-up: what a worker without waits on descriptors has are the 5 s after which it trims stacks,
 * and nothing comes so late here. */
static int ping(void *group)
{
    rv_time began, latest = 0;
    int got = 1;

    while (got == 1 && GET(wakes_across) < wakes_wanted()) {
        began = rv_now();
        pot_give(&pots[0]);
        got = pot_take(&pots[1], NULL, RV_NEVER);
        latest = rv_now() - began > latest ? rv_now() - began : latest;
    }
    CHECK_EQ(got, 1);
    CHECK(latest < 4 * RV_S);
    rv_group_cancel(group);
    return 0;
}

static int pong(void *unused)
{
    int got;

    (void)unused;
    while ((got = pot_take(&pots[0], NULL, RV_NEVER)) == 1)
        pot_give(&pots[1]);
    return got;
}

TEST_WORKERS(two_tasks_of_two_workers_wake_each_other_and_no_wake_is_lost)
{
    rv_group g;

    pot_init(&pots[0]);
    pot_init(&pots[1]);
    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, 1, ping, &g);
    rv_go_on(&g, 2, pong, NULL);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(pots[0].tokens + pots[1].tokens, 0);
    return 0;
}

/* ---- many and many ---- */

static long given, taken, timed_out, was_cancelled, waits;
static int givers;

/* How many tokens may lie about: who gives one takes a room first, who takes one gives it back. */
static struct pot rooms;

static int give(void *seed)
{
    uint32_t dice = (uint32_t)(uintptr_t)seed;
    int err = 0;

    while (err == 0 && GET(wakes_across) < wakes_wanted()) {
        err = pot_take(&rooms, NULL, RV_NEVER);
        CHECK_EQ(err, 1);
        err = err < 0 ? err : 0;
        pot_give(&pots[next_random(&dice) % (2 * WORKERS)]);
        ADD(given);
    }
    SUB(givers);
    return err;
}

static int take_in_a_scope(uint32_t *dice, struct pot *a, struct pot *b, rv_time until)
{
    rv_scope s;
    int got;

    rv_scope_open(&s, rv_after(RV_US * (next_random(dice) % 100)));
    got = pot_take(a, b, until);
    CHECK(rv_scope_close(&s, got) != -ECANCELED || rv_cancelled());
    return got;
}

static int count_outcome(int got)
{
    ADD(waits);
    if (got == 1) {
        ADD(taken);
        pot_give(&rooms);
    } else if (got == 0) {
        ADD(timed_out);
    } else if (got == -ECANCELED) {
        ADD(was_cancelled);
    }
    return got;
}

/* Until its group is cancelled, and it waits once more. */
static int take(void *seed)
{
    uint32_t dice = (uint32_t)(uintptr_t)seed;
    int got;

    do {
        struct pot *a = &pots[next_random(&dice) % (2 * WORKERS)], *b;
        rv_time until = RV_NEVER;

        b = next_random(&dice) % 2 ? &pots[next_random(&dice) % (2 * WORKERS)] : NULL;
        b = a == b ? NULL : b;
        if (next_random(&dice) % 3 == 0)
            until = rv_after(RV_US * (next_random(&dice) % 100));
        if (next_random(&dice) % 4)
            got = pot_take(a, b, until);
        else
            got = take_in_a_scope(&dice, a, b, until);
        (void)count_outcome(got);
    } while (!rv_cancelled());
    return -ECANCELED;
}

static long left_in_pots(void)
{
    long left = 0;

    for (int i = 0; i < 2 * WORKERS; i++) {
        left += pots[i].tokens;
        CHECK(list_empty(&pots[i].waits));
    }
    return left;
}

enum { TAKERS = 5 * WORKERS, GIVERS = 2 * WORKERS, ROOMS = 6 * WORKERS };

/* Takers come and go: a group of them is cancelled, and the next one opened. */
static int keep_taking(void *seed)
{
    uint32_t dice = (uint32_t)(uintptr_t)seed;

    while (GET(givers)) {
        rv_group g;

        rv_spread_open(&g, RV_NEVER);
        for (unsigned i = 0; i < TAKERS; i++)
            rv_go_on(&g, i % WORKERS, take, (void *)(uintptr_t)(next_random(&dice) | 1));
        CHECK_EQ(rv_sleep(RV_US * (next_random(&dice) % 3000)), 0);
        rv_group_cancel(&g);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST_WORKERS(tokens_from_all_workers_to_all_are_taken_once_or_are_still_there)
{
    rv_group g;

    for (int i = 0; i < 2 * WORKERS; i++)
        pot_init(&pots[i]);
    pot_init(&rooms);
    rooms.tokens = ROOMS;
    givers = GIVERS;
    rv_spread_open(&g, RV_NEVER);
    for (uintptr_t i = 0; i < GIVERS; i++)
        rv_go_on(&g, (unsigned)i % WORKERS, give, (void *)(i * 2654435761u + 1));
    rv_go_on(&g, 1, keep_taking, (void *)(uintptr_t)88172645463325252);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(given, taken + left_in_pots());
    CHECK_EQ(rooms.tokens, ROOMS - left_in_pots());
    CHECK_EQ(waits, taken + timed_out + was_cancelled);
    CHECK(taken > 0 && timed_out > 0 && was_cancelled > 0 && wakes_across > 0);
    fprintf(stderr, "taken %ld, timed out %ld, cancelled %ld, wakes across workers %ld\n", taken,
            timed_out, was_cancelled, wakes_across);
    return 0;
}

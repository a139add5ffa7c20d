/* t_timers.c: the heap of timers against the simplest thing that could be right, an array that is
 * searched from end to end.
 */
#include "tap.h"

#include "base/timers.h"

enum { MOST = 300, STEPS = 60000 };

struct model {
    struct timers timers;
    struct owner {
        uint32_t id; /* 0: none */
        bool armed;
        int64_t when;
    } owners[MOST];
    int count;
    uint64_t seed;
};

static uint64_t rnd(struct model *m)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return m->seed;
}

static int64_t some_time(struct model *m)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1};

    switch (rnd(m) % 8) {
    case 0:
        return edges[rnd(m) % 5];
    case 1:
        return (int64_t)(rnd(m) >> 1) - 1; /* never is no time to set */
    default:
        return (int64_t)(rnd(m) % 500); /* many equal ones */
    }
}

static int64_t least(const struct model *m, bool *any)
{
    int64_t when = CLOCK_NEVER;

    *any = false;
    for (int i = 0; i < MOST; i++) {
        if (!m->owners[i].armed)
            continue;
        *any = true;
        if (m->owners[i].when < when)
            when = m->owners[i].when;
    }
    return when;
}

static void come_and_go(struct model *m, struct owner *o)
{
    if (o->id) {
        timers_free(&m->timers, o->id);
        *o = (struct owner){0};
        m->count--;
        return;
    }
    CHECK_EQ(timers_reserve(&m->timers, (uint32_t)m->count + 1), 0);
    o->id = timers_new(&m->timers, o);
    m->count++;
}

static void pop(struct model *m)
{
    int64_t now = some_time(m);
    bool any;
    int64_t due = least(m, &any);
    struct owner *o = timers_pop(&m->timers, now);

    if (!any || due > now) {
        CHECK(o == NULL);
        return;
    }
    CHECK(o != NULL && o->armed && o->when == due);
    if (o)
        o->armed = false;
}

static void step(struct model *m)
{
    struct owner *o = &m->owners[rnd(m) % MOST];

    switch (rnd(m) % 10) {
    case 0:
        come_and_go(m, o);
        break;
    case 1:
    case 2:
        pop(m);
        break;
    case 3:
    case 4:
        if (o->id)
            timers_clear(&m->timers, o->id);
        o->armed = false;
        break;
    default:
        if (!o->id)
            break;
        o->armed = true;
        o->when = some_time(m);
        timers_set(&m->timers, o->id, o->when);
    }
}

static void play(uint64_t seed)
{
    static struct model m;

    m = (struct model){.seed = seed};
    timers_init(&m.timers);
    for (int i = 0; i < STEPS && !tap_failures; i++) {
        bool any;
        int64_t due;

        step(&m);
        due = least(&m, &any);
        CHECK(timers_any(&m.timers) == any);
        CHECK_EQ(timers_next(&m.timers), due);
    }
    if (tap_failures)
        fprintf(stderr, "with seed %llu\n", (unsigned long long)seed);
    timers_fini(&m.timers);
}

TEST(whatever_is_set_moved_cleared_and_freed_the_earliest_comes_first)
{
    for (uint64_t seed = 1; seed <= 5 && !tap_failures; seed++)
        play(seed * 0x9e3779b97f4a7c15);
}

TEST(a_hundred_thousand_timers_come_in_order)
{
    enum { COUNT = 100000 };
    static int64_t when[COUNT];
    struct timers t;
    int64_t last = INT64_MIN;
    int64_t *owner;
    int count = 0;

    timers_init(&t);
    CHECK_EQ(timers_reserve(&t, COUNT), 0);
    for (int i = 0; i < COUNT; i++) {
        when[i] = (int64_t)((uint64_t)i * 0x9e3779b97f4a7c15 >> 20);
        timers_set(&t, timers_new(&t, &when[i]), when[i]);
    }
    while ((owner = timers_pop(&t, INT64_MAX))) {
        CHECK(*owner >= last);
        last = *owner;
        count++;
    }
    CHECK_EQ(count, COUNT);
    timers_fini(&t);
}

TEST(nothing_is_due_before_its_time)
{
    struct timers t;
    int owner;
    uint32_t id;

    timers_init(&t);
    CHECK_EQ(timers_next(&t), CLOCK_NEVER);
    CHECK(timers_pop(&t, INT64_MAX) == NULL);
    CHECK_EQ(timers_reserve(&t, 1), 0);
    id = timers_new(&t, &owner);
    timers_set(&t, id, 1000);
    CHECK(timers_pop(&t, 999) == NULL);
    CHECK(timers_pop(&t, 1000) == &owner);
    CHECK(timers_pop(&t, INT64_MAX) == NULL);
    timers_clear(&t, id);
    timers_free(&t, id);
    timers_fini(&t);
}

TEST(four_siblings_share_a_cache_line)
{
    struct timers t;

    timers_init(&t);
    CHECK_EQ(timers_reserve(&t, 1000), 0);
    CHECK((uintptr_t)&t.nodes[4] % 64 == 0); /* the root's children */
    CHECK_EQ(sizeof t.nodes[0], 16);
    timers_fini(&t);
}

TEST_DIES(more_timers_than_were_reserved_are_caught, "broken inside")
{
    struct timers t;
    int owner;

    timers_init(&t);
    (void)timers_reserve(&t, 1);
    for (uint32_t i = 0; i <= t.room; i++)
        (void)timers_new(&t, &owner);
}

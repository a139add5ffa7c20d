/* t_memory.c: what tasks hold of the machine's memory, and when they give it back.
 *
 * Sizes come from /proc/self/smaps_rollup and mincore(); a sanitizer's shadow is memory too, so
 * bounds on the whole process are asked of plain builds alone.
 */
#include "tap.h"

#include <malloc.h>
#include <sys/mman.h>

#include "reeve.h"
#include "sched/record.h"

enum { PAGE = 4096, BURST = 400, SLEEPERS = SCALED(10000, 2000) };

static size_t kib_of(const char *path, const char *what)
{
    char line[256];
    size_t kib = 0, sum = 0;
    FILE *file = fopen(path, "r");

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, what, strlen(what)) == 0 && sscanf(line + strlen(what), "%zu", &kib) == 1)
            sum += kib;
    if (file)
        fclose(file);
    return sum;
}

static size_t rss_kib(void)
{
    return kib_of("/proc/self/smaps_rollup", "Rss:");
}

static void only_plain(void)
{
    if (TAP_SANITIZED)
        SKIP("a sanitizer's own memory is counted too");
}

/* ---- bursts ---- */

static __attribute__((noinline)) void dig(size_t bytes)
{
    volatile char *block = __builtin_alloca(bytes);

    for (size_t at = 0; at < bytes; at += PAGE)
        block[at] = 1;
}

struct crowd {
    rv_group group;
    size_t bytes; /* of stack that each uses */
    size_t there;
};

static int dig_and_sleep(void *arg)
{
    struct crowd *c = arg;

    if (c->bytes)
        dig(c->bytes);
    c->there++;
    return rv_sleep(RV_NEVER);
}

/* They are all parked when it returns. */
static void gather(struct crowd *c, size_t count, size_t bytes)
{
    *c = (struct crowd){.bytes = bytes};
    rv_group_open(&c->group, RV_NEVER);
    if (bytes)
        rv_group_stack(&c->group, bytes + 16 * 1024);
    for (size_t i = 0; i < count; i++)
        rv_go(&c->group, dig_and_sleep, c);
    while (c->there < count)
        CHECK_EQ(rv_yield(), 0);
}

static int scatter(struct crowd *c)
{
    rv_group_cancel(&c->group);
    return rv_group_close(&c->group, 0);
}

static int burst(size_t count, size_t bytes)
{
    struct crowd c;

    gather(&c, count, bytes);
    return scatter(&c);
}

/* Idle, with what the worker does after a while of that done at once, until it has nothing more
 * to do. */
static void idle_long(void)
{
    while (worker_self->trim_at != RV_NEVER) {
        worker_self->trim_at = 0;
        CHECK_EQ(rv_sleep(RV_US), 0);
    }
}

static int deep_bursts(void *arg)
{
    const size_t deep = 100 * 1024, all_kib = BURST * deep / 1024;
    size_t before = rss_kib(), after;

    (void)arg;
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(burst(BURST, deep), 0);
        after = rss_kib();
        CHECK(after - before > all_kib * 9 / 10); /* or the burst was none */
        CHECK(after - before < all_kib * 13 / 10);
    }
    idle_long();
    CHECK(rss_kib() < before + all_kib / 10);
    return 0;
}

TEST(hazard_45_deep_stacks_are_given_back_when_the_worker_idles)
{
    only_plain();
    CHECK_EQ(rv_run(deep_bursts, NULL, NULL), 0);
}

static int many_tasks(void *arg)
{
    size_t before = rss_kib(), after;

    (void)arg;
    CHECK_EQ(burst(SLEEPERS, 1024), 0);
    after = rss_kib();
    CHECK(after - before > SLEEPERS * 4);
    idle_long();
    CHECK(rss_kib() < before + SLEEPERS);
    CHECK_EQ(burst(SLEEPERS, 1024), 0);
    CHECK(rss_kib() < after + after / 10);
    return 0;
}

TEST(hazard_45_stacks_of_many_tasks_are_given_back_when_the_worker_idles)
{
    only_plain();
    CHECK_EQ(rv_run(many_tasks, NULL, NULL), 0);
}

static int repeated(void *arg)
{
    size_t after_first;

    (void)arg;
    CHECK_EQ(burst(BURST, 40 * 1024), 0);
    after_first = rss_kib();
    for (int round = 0; round < 20; round++)
        CHECK_EQ(burst(BURST, 40 * 1024), 0);
    CHECK(rss_kib() < after_first + after_first / 10);
    return 0;
}

TEST(hazard_45_repeated_bursts_do_not_grow)
{
    only_plain();
    CHECK_EQ(rv_run(repeated, NULL, NULL), 0);
}

/* Where huge pages are on for everyone, a mapping without the flag would have one at once. */
static int no_huge_page(void *arg)
{
    (void)arg;
    CHECK_EQ(burst(BURST, 60 * 1024), 0);
    CHECK_EQ(kib_of("/proc/self/smaps_rollup", "AnonHugePages:"), 0);
    return 0;
}

TEST(hazard_45_no_stack_is_on_a_huge_page)
{
    only_plain();
    CHECK_EQ(rv_run(no_huge_page, NULL, NULL), 0);
}

/* ---- what a task costs ---- */

static int count_parked(void *arg)
{
    size_t rss = rss_kib(), tables = kib_of("/proc/self/status", "VmPTE:"), total;
    struct crowd c;

    (void)arg;
    gather(&c, SLEEPERS, 0);
    total = rss_kib() - rss + kib_of("/proc/self/status", "VmPTE:") - tables;
    CHECK(total >= SLEEPERS * 4); /* else they are not all there */
    CHECK(total * 1024 <= SLEEPERS * 4608);
    return scatter(&c);
}

TEST(a_parked_task_holds_four_and_a_half_kib_with_its_page_tables)
{
    only_plain();
    if (under_qemu())
        SKIP("qemu's own memory is counted too");
#ifndef FRAME_BYTES
    SKIP("swapcontext() keeps a kilobyte on the stack: some need a second page");
#endif
    CHECK_EQ(rv_run(count_parked, NULL, NULL), 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int count_unstarted(void *arg)
{
    enum { RECORDS = 100000, BYTES_EACH = 128 };
    size_t rss = rss_kib(), grown;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < RECORDS; i++)
        rv_go(&g, nothing, arg);
    grown = rss_kib() - rss;
    CHECK(grown * 1024 <= (size_t)RECORDS * BYTES_EACH);
    return rv_group_close(&g, 0);
}

TEST(an_unstarted_task_holds_128_bytes)
{
    only_plain();
    CHECK_EQ(rv_run(count_unstarted, NULL, NULL), 0);
}

static int spawn_in_turn(void *arg)
{
    size_t *stacks = arg;
    uint64_t at = 0;
    rv_group g;

    for (int i = 0; i < 100000; i++) {
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, nothing, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 100000; i++)
        rv_go(&g, nothing, NULL);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    while (stack_each(&worker_self->stacks, &at))
        ++*stacks;
    return 0;
}

TEST(tasks_that_end_without_parking_share_the_hottest_stack)
{
    size_t stacks = 0;

    only_plain();
    CHECK_EQ(rv_run(spawn_in_turn, &stacks, NULL), 0);
    CHECK_EQ(stacks, 2); /* the first task's and theirs */
}

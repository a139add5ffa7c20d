/* t_limits.c: a million parked tasks where the kernel is stock; a clear no where it cannot be.
 */
#include "child.h"

#include <pthread.h>
#include <sys/resource.h>

#include "reeve.h"
#include "sched/worker.h"

enum { MILLION = SCALED(1000000, 6000), MPROTECT_LEAST = 20000 };

static size_t number_in(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t n = 0;

    if (file == NULL || fscanf(file, "%zu", &n) != 1)
        n = 0;
    if (file)
        fclose(file);
    return n;
}

static size_t available_mib(void)
{
    char line[128];
    size_t kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");

    while (file && fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %zu", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return kib / 1024;
}

static size_t mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    size_t lines = 0;

    for (int c; file && (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    if (file)
        fclose(file);
    return lines;
}

/* ---- with guards that need no mapping ---- */

static int park(void *arg)
{
    ++*(size_t *)arg;
    return rv_sleep(RV_NEVER);
}

static int gather(rv_group *g, size_t count, size_t *there)
{
    for (size_t i = 0; i < count; i++)
        rv_go(g, park, there);
    for (size_t before = SIZE_MAX; *there < count && *there != before;) {
        before = *there;
        CHECK_EQ(rv_yield(), 0);
    }
    return 0;
}

static int a_million(void *arg)
{
    size_t there = 0;
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    gather(&g, MILLION, &there);
    CHECK_EQ(there, MILLION);
    CHECK(TAP_SANITIZED || mappings() < 1000); /* a fiber of TSan's has mappings of its own */
    rv_group_cancel(&g);
    return rv_group_close(&g, 0);
}

TEST(hazard_44_a_million_guarded_tasks_park_within_the_stock_limit_of_mappings)
{
    struct stack_arena probe;

    if (stack_arena_init(&probe, 64, STACK_GUARD_MADVISE, false) < 0)
        SKIP("no MADV_GUARD_INSTALL here: Linux 6.13");
    if (available_mib() < 8192)
        SKIP("less than 8 GiB of memory is free");
    CHECK_EQ(rv_run(a_million, NULL, NULL), 0);
}

/* ---- with guards that do ---- */

static int count(void *arg)
{
    ++*(size_t *)arg;
    return 0;
}

static void *count_in_thread(void *arg)
{
    ++*(size_t *)arg;
    return NULL;
}

/* Things that want mappings of their own: a thread's stack, a large block. */
static void check_process_lives(void)
{
    void *block = malloc(8 << 20);
    size_t counted = 0;
    pthread_t thread;
    int err;

    CHECK(block != NULL);
    free(block);
    err = pthread_create(&thread, NULL, count_in_thread, &counted);
    CHECK_EQ(err, 0);
    if (err == 0)
        pthread_join(thread, NULL);
    CHECK_EQ(counted, err == 0);
}

static int works_on(size_t *counted)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 1000; i++)
        rv_go(&g, count, counted);
    return rv_group_close(&g, 0);
}

static int beyond_the_limit(void *arg)
{
    size_t there = 0, counted = 0, most = number_in("/proc/sys/vm/max_map_count");
    rv_group g;
    int err;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    gather(&g, most, &there); /* the first that finds no stack cancels the rest */
    CHECK_EQ(rv_try_go(&g, park, &there), -ENOMEM);
    err = rv_group_close(&g, 0);
    CHECK_EQ(err, -ENOMEM);
    CHECK(there > MPROTECT_LEAST && there < most);
    check_process_lives();
    CHECK_EQ(works_on(&counted), 0);
    CHECK_EQ(counted, 1000);
    return err;
}

static void run_beyond(void *arg)
{
    (void)arg;
    CHECK_EQ(rv_run(beyond_the_limit, NULL, NULL), -ENOMEM);
}

TEST(hazard_44_at_the_limit_of_mappings_a_spawn_fails_in_words_and_the_process_works_on)
{
    struct child c;
    const char *said;

    if (TAP_SANITIZED)
        SKIP("a sanitizer has not enough fibers or shadow");
    if (number_in("/proc/sys/vm/max_map_count") > 200000)
        SKIP("vm.max_map_count is not stock here");
    setenv("REEVE_GUARD", "mprotect", 1);
    c = child_run(run_beyond, NULL);
    CHECK_EQ(c.signal, 0);
    CHECK_EQ(c.code, 0);
    CHECK(child_said(&c, "no stack for task "));
    CHECK(child_said(&c, "\"park\", spawned at tests/t_limits.c:"));
    CHECK(child_said(&c, "vm.max_map_count"));
    said = strstr(c.words, "no stack for task ");
    CHECK(said == NULL || strstr(said + 1, "no stack for task ") == NULL); /* once */
    if (c.code)
        fputs(c.words, stderr);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_large_then_small(void *arg)
{
    struct rlimit space;
    rv_group g;

    (void)arg;
    CHECK_EQ(getrlimit(RLIMIT_AS, &space), 0);
    space.rlim_cur = 64ul << 30; /* too little for stacks of 2 GiB, of which many are mapped */
    CHECK_EQ(setrlimit(RLIMIT_AS, &space), 0);
    rv_group_open(&g, RV_NEVER);
    rv_group_stack(&g, 2ul << 30);
    rv_go(&g, nothing, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ENOMEM);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, nothing, NULL);
    return rv_group_close(&g, 0);
}

TEST(hazard_44_that_there_is_no_stack_of_one_size_keeps_nobody_from_another)
{
    if (TAP_SANITIZED)
        SKIP("a sanitizer's shadow is larger than the limit");
    if (under_qemu())
        SKIP("qemu keeps RLIMIT_AS from its process");
    CHECK_EQ(rv_run(spawn_large_then_small, NULL, NULL), 0);
}

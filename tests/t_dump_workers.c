/* t_dump_workers.c: rv_dump() from any worker tells of all workers' tasks, and of what none of them
 * has started; and it waits for them without getting in their way.
 */
#include "tests/child.h"
#include "tests/threads.h"

enum { COUNT = 4 };

static char *dump(void)
{
    int fd = tap_temporary();
    char *text;

    rv_dump(fd);
    text = tap_read_all(fd);
    close(fd);
    return text;
}

static void check_has(const char *text, const char *words)
{
    if (strstr(text, words))
        return;
    tap_failures++;
    fprintf(stderr, "the dump should say: %s\nand says: %s\n", words, text);
}

static int count_of(const char *text, const char *words)
{
    int count = 0;

    for (; (text = strstr(text, words)); text++)
        count++;
    return count;
}

/* ---- all workers ---- */

static int sleeper(void *arg)
{
    (void)arg;
    rv_name("sleeper on %u", rv_worker());
    return rv_sleep(RV_NEVER);
}

static int check_dump(void *arg)
{
    char *text = dump(), words[64];

    (void)arg;
    for (unsigned i = 0; i < COUNT; i++) {
        const char *at, *next;

        snprintf(words, sizeof words, "worker %u: ", i);
        CHECK_EQ(count_of(text, words), 1);
        at = strstr(text, words);
        snprintf(words, sizeof words, "\"sleeper on %u\", spawned at tests/t_dump_workers.c:", i);
        CHECK_EQ(count_of(text, words), 2);
        next = strstr(text, words);
        CHECK(at && next && at < next); /* below its worker's line */
    }
    check_has(text, "\"main\", spawned at rv_run: waits in rv_group_close");
    CHECK(count_of(text, "waits in rv_sleep for ") == 2 * COUNT);
    check_has(text, ": running");
    if (tap_failures)
        fprintf(stderr, "%s", text);
    free(text);
    return 0;
}

static int dump_everywhere(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (unsigned i = 0; i < 2 * COUNT; i++)
        rv_go_on(&g, i % COUNT, sleeper, NULL);
    CHECK_EQ(rv_sleep(20 * RV_MS), 0);
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_EQ(rv_on(i, check_dump, NULL), 0);
    rv_group_cancel(&g);
    return rv_group_close(&g, 0);
}

TEST(a_dump_from_any_worker_lists_the_tasks_of_all)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(rv_run(dump_everywhere, NULL, WORKERS(COUNT)), 0);
}

/* ---- what none has started ---- */

enum { RECORDS = 20 };

static unsigned hogs;
static bool let_go;

static int hog(void *arg)
{
    rv_time end = rv_after(LONG);

    (void)arg;
    __atomic_add_fetch(&hogs, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&let_go, __ATOMIC_SEQ_CST) && rv_now() < end)
        usleep(100);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* This worker has had its turn in the dump by then, for it says so first. */
static void *let_go_later(void *arg)
{
    (void)arg;
    usleep(50000);
    __atomic_store_n(&let_go, true, __ATOMIC_SEQ_CST);
    return NULL;
}

static int dump_unstarted(void *arg)
{
    pthread_t later;
    rv_group g;
    char *text;

    (void)arg;
    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, 1, hog, NULL);
    while (__atomic_load_n(&hogs, __ATOMIC_SEQ_CST) == 0)
        CHECK_EQ(rv_sleep(RV_US), 0);
    for (int i = 0; i < RECORDS; i++)
        rv_go(&g, nothing, NULL);
    start_thread(&later, let_go_later, NULL);
    text = dump();
    check_has(text, "worker 0: 1 tasks started, 20 not yet, backend ");
    CHECK_EQ(count_of(text, "\"nothing\", spawned at tests/t_dump_workers.c:"), RECORDS);
    CHECK_EQ(count_of(text, ": not started\n"), RECORDS);
    if (tap_failures)
        fprintf(stderr, "%s", text);
    free(text);
    MUST(-pthread_join(later, NULL));
    return rv_group_close(&g, 0);
}

TEST(a_dump_lists_what_lies_ready_for_any_worker_and_was_not_started)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(rv_run(dump_unstarted, NULL, WORKERS(2)), 0);
}

/* ---- among others ---- */

static int dump_once(void *arg)
{
    char *text = dump();

    (void)arg;
    for (unsigned i = 0; i < COUNT; i++) {
        char words[64];

        snprintf(words, sizeof words, "worker %u: ", i);
        check_has(text, words);
    }
    free(text);
    return 0;
}

static int work(void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; i < 50 && err == 0; i++)
        err = i % 2 ? rv_yield() : rv_sleep(RV_US);
    return err;
}

static int dumps_at_once(void *arg)
{
    rv_group g;

    (void)arg;
    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < SCALED(60, 12); i++)
        rv_go(&g, i % 3 ? work : dump_once, NULL);
    return rv_group_close(&g, 0);
}

TEST(dumps_that_several_workers_want_at_once_are_all_whole)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (int i = 0; i < SCALED(10, 3); i++)
        CHECK_EQ(rv_run(dumps_at_once, NULL, WORKERS(COUNT)), 0);
}

/* t_foreign.c: threads that run no tasks post functions to a runtime: each runs once, as a task
 * with its own copy of the argument; or wait for one, and have its result.
 */
#include "tests/child.h"
#include "tests/threads.h"

#include <sys/resource.h>

/* ---- at full rate ---- */

enum { POSTERS_MOST = 4, ALL = SCALED(100000, 6000) }; /* in each of twelve ways: 10^6 in all */

static unsigned char runs_of[ALL];
static unsigned ran, strange;
static sem_t all_ran;

struct number {
    uint32_t is, inverse;
};

static int note_number(void *arg)
{
    const struct number *n = arg;

    if (n->inverse != ~n->is || n->is >= ALL || (uintptr_t)arg % _Alignof(max_align_t))
        __atomic_add_fetch(&strange, 1, __ATOMIC_RELAXED);
    else
        __atomic_add_fetch(&runs_of[n->is], 1, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&ran, 1, __ATOMIC_ACQ_REL) == ALL)
        sem_post(&all_ran);
    return 0;
}

struct poster {
    rv_runtime *rt;
    pthread_t thread;
    uint32_t from, to;
    int failed;
};

static void *post_numbers(void *arg)
{
    struct poster *p = arg;

    for (uint32_t i = p->from; i < p->to; i++) {
        struct number n = {i, ~i};

        p->failed += rv_runtime_post(p->rt, note_number, &n, sizeof n) != 0;
        n = (struct number){0, 0}; /* the task has a copy */
        __asm__ volatile("" : : "r"(&n) : "memory");
    }
    return NULL;
}

static void post_from(rv_runtime *rt, unsigned threads)
{
    struct poster posters[POSTERS_MOST];

    memset(runs_of, 0, sizeof runs_of);
    ran = strange = 0;
    sem_init(&all_ran, 0, 0);
    for (unsigned i = 0; i < threads; i++) {
        posters[i] = (struct poster){
            .rt = rt, .from = ALL / threads * i, .to = ALL / threads * (i + 1), .failed = 0};
        start_thread(&posters[i].thread, post_numbers, &posters[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        MUST(-pthread_join(posters[i].thread, NULL));
        CHECK_EQ(posters[i].failed, 0);
    }
    while (sem_wait(&all_ran) < 0)
        ;
}

static void check_posts(rv_runtime *rt)
{
    for (unsigned threads = 1; threads <= POSTERS_MOST; threads += 3) {
        unsigned lost = 0, twice = 0;

        post_from(rt, threads);
        for (int i = 0; i < ALL; i++) {
            lost += runs_of[i] == 0;
            twice += runs_of[i] > 1;
        }
        CHECK_EQ(lost, 0);
        CHECK_EQ(twice, 0);
        CHECK_EQ(strange, 0);
    }
}

TEST(what_one_thread_or_four_post_runs_once_each_with_its_argument)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    in_each_runtime(check_posts);
}

/* ---- arguments of any size ---- */

enum { BIG = 1 << 20, SIZES = 6 };

static const size_t sizes[SIZES] = {0, 1, 8, 63, 4096, BIG};
static unsigned right;

static unsigned char byte_at(size_t i, unsigned size)
{
    return (unsigned char)(i * 7 + i / 251 + size);
}

static int check_bytes(const unsigned char *bytes, unsigned size)
{
    for (size_t i = 0; i < sizes[size]; i++)
        if (bytes[i] != byte_at(i, size))
            return 0;
    __atomic_add_fetch(&right, 1, __ATOMIC_SEQ_CST);
    return 0;
}

#define OF_SIZE(n)                  \
    static int of_size_##n(void *a) \
    {                               \
        return check_bytes(a, n);   \
    }

OF_SIZE(0)
OF_SIZE(1)
OF_SIZE(2)
OF_SIZE(3)
OF_SIZE(4)
OF_SIZE(5)

static void post_all_sizes(rv_runtime *rt)
{
    static rv_fn *const check[SIZES] = {of_size_0, of_size_1, of_size_2,
                                        of_size_3, of_size_4, of_size_5};
    unsigned char *bytes = malloc(BIG);
    unsigned posted = 0;

    right = 0;
    for (int round = 0; round < 8; round++) {
        for (unsigned s = 0; s < SIZES; s++) {
            for (size_t i = 0; i < sizes[s]; i++)
                bytes[i] = byte_at(i, s);
            CHECK_EQ(rv_runtime_post(rt, check[s], s ? bytes : NULL, sizes[s]), 0);
            memset(bytes, 0xee, BIG);
            posted++;
        }
    }
    wait_until_at_least(&right, posted);
    free(bytes);
}

TEST(an_argument_of_no_bytes_or_of_a_mebibyte_is_the_task_s_own_copy)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    in_each_runtime(post_all_sizes);
}

TEST(an_argument_larger_than_memory_is_refused)
{
    rv_runtime *rt;

    NOT_IN_SIM(NO_REAL_THREADS);
    rt = new_runtime(1);
    CHECK_EQ(rv_runtime_post(rt, of_size_0, "", SIZE_MAX), -ENOMEM);
    CHECK_EQ(rv_runtime_post(rt, of_size_0, "", SIZE_MAX - 8), -ENOMEM);
    rv_runtime_free(rt);
}

/* ---- a posted task is a task ---- */

static unsigned done_all;

static int answer(void *arg)
{
    char byte;
    ssize_t n = rv_read(*(int *)arg, &byte, 1);

    return n == 1 ? rv_write_all(*(int *)arg, "y", 1) : -EPROTO;
}

static int talk(void)
{
    int ends[2];
    char byte = 0;
    rv_group g;

    CHECK_EQ(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    rv_spread_open(&g, RV_NEVER);
    rv_go(&g, answer, &ends[1]);
    CHECK_EQ(rv_write_all(ends[0], "x", 1), 0);
    CHECK_EQ(rv_read(ends[0], &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    CHECK_EQ(rv_group_close(&g, 0), 0);
    close_both(ends);
    return 0;
}

static int say_worker(void *arg)
{
    (void)arg;
    return (int)rv_worker();
}

static int note_done(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&done_all, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static int do_everything(void *arg)
{
    rv_scope s;

    (void)arg;
    rv_name("%s", "posted");
    CHECK(rv_id() > 0);
    CHECK_EQ(rv_sleep(RV_US), 0);
    CHECK_EQ(rv_yield(), 0);
    rv_scope_open(&s, rv_after(RV_MS));
    CHECK_EQ(rv_scope_close(&s, rv_sleep(RV_NEVER)), -ETIMEDOUT);
    CHECK_EQ(talk(), 0);
    for (unsigned i = 0; i < rv_workers(); i++)
        CHECK_EQ(rv_on(i, say_worker, NULL), i);
    CHECK_EQ(rv_runtime_post(rv_runtime_self(), note_done, NULL, 0), 0);
    return 0;
}

static void post_many_that_do_everything(rv_runtime *rt)
{
    enum { MANY = 32 };

    done_all = 0;
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(rv_runtime_post(rt, do_everything, NULL, 0), 0);
    wait_until_at_least(&done_all, MANY);
}

TEST(a_posted_task_sleeps_talks_spawns_moves_and_posts)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    in_each_runtime(post_many_that_do_everything);
}

/* ---- calling ---- */

enum { CALLERS = 8, CALLS = SCALED(500, 100) };

static int double_it(void *arg)
{
    int n = *(int *)arg;

    if (n % 16 == 3 && rv_sleep(RV_US) != 0)
        return -EPROTO;
    return n % 16 == 5 ? -n : 2 * n;
}

static void *call_often(void *arg)
{
    struct poster *p = arg;

    for (int i = 0; i < CALLS; i++) {
        int n = (int)p->from + i;

        p->failed += rv_runtime_call(p->rt, double_it, &n) != (n % 16 == 5 ? -n : 2 * n);
    }
    return NULL;
}

static void call_from_many(rv_runtime *rt)
{
    struct poster callers[CALLERS];

    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (struct poster){.rt = rt, .from = 100000 * i};
        start_thread(&callers[i].thread, call_often, &callers[i]);
    }
    for (unsigned i = 0; i < CALLERS; i++) {
        MUST(-pthread_join(callers[i].thread, NULL));
        CHECK_EQ(callers[i].failed, 0);
    }
}

TEST(threads_that_call_at_once_get_each_its_own_result)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    in_each_runtime(call_from_many);
}

static int sleep_for(void *arg)
{
    return rv_sleep(*(rv_time *)arg);
}

static rv_time thread_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * RV_S + t.tv_nsec;
}

static void call_a_sleeper(rv_runtime *rt)
{
    rv_time span = 300 * RV_MS, began = rv_now(), cpu = thread_cpu();
    struct rusage before, after;

    getrusage(RUSAGE_THREAD, &before);
    CHECK_EQ(rv_runtime_call(rt, sleep_for, &span), 0);
    getrusage(RUSAGE_THREAD, &after);
    CHECK(rv_now() - began >= span);
    CHECK(thread_cpu() - cpu < span / 6);
    CHECK(after.ru_nvcsw - before.ru_nvcsw <= 10);
}

TEST(a_thread_that_waits_for_its_call_sleeps)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    in_each_runtime(call_a_sleeper);
}

/* ---- who fails ---- */

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

static int post_a_failure(void *arg)
{
    rv_runtime *rt = new_runtime(*(unsigned *)arg);

    CHECK_EQ(rv_runtime_post(rt, fail, NULL, 0), 0);
    CHECK_EQ(rv_runtime_call(rt, fail, NULL), -EIO); /* and the rest goes on */
    for (int i = 0; i < 8; i++)
        CHECK_EQ(rv_runtime_call(rt, sleep_for, &(rv_time){RV_US}), 0);
    rv_runtime_free(rt);
    return tap_failures;
}

static int count_of(const char *text, const char *words)
{
    int count = 0;

    for (; (text = strstr(text, words)); text++)
        count++;
    return count;
}

TEST(a_posted_function_that_fails_is_told_with_its_place_and_hurts_nobody)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        struct child c = child_result(post_a_failure, &workers);

        CHECK_EQ(c.code, 0);
        check_says(&c, "reeve: rv_runtime_post, from fail@tests/t_foreign.c:", "a failed post");
        check_says(&c, ": it failed: Input/output error\n", "a failed post");
        CHECK_EQ(count_of(c.words, "rv_runtime_post"), 1); /* who called has the result */
    }
}

static int post_too_many(void *arg)
{
    rv_runtime *rt;
    unsigned said = 0;

    (void)arg;
    MUST(rv_runtime_new(&rt, &(rv_options){.workers = 1, .tasks_max = 3}));
    for (int i = 0; i < 2; i++) /* the third is the runtime's own */
        CHECK_EQ(rv_runtime_post(rt, sleep_for, &(rv_time){RV_NEVER}, sizeof(rv_time)), 0);
    CHECK_EQ(rv_runtime_post(rt, fail, NULL, 0), 0);
    said += rv_runtime_call(rt, fail, NULL) == -EAGAIN;
    rv_runtime_free(rt);
    return said == 1 ? 0 : 1;
}

TEST(a_post_for_which_there_is_no_room_is_told_and_a_call_returns_it)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = child_result(post_too_many, NULL);
    CHECK_EQ(c.code, 0);
    check_says(&c, "rv_runtime_post, from fail@tests/t_foreign.c:", "a post too many");
    check_says(&c, ": it could not start: Resource temporarily unavailable\n", "a post too many");
    CHECK_EQ(count_of(c.words, "rv_runtime_post"), 1);
}

// FLAGS: -fstack-clash-protection
/* t_overflow.c: a task that runs off its stack is named; every other fault is left to the program.
 */
#include "child.h"

#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>

#include "reeve.h"

enum { CROWD = SCALED(1000, 200), DEFAULT_BYTES = 64 * 1024, GUARD_BYTES = 64 * 1024 };

static rv_options options; /* of the runtimes below */

/* ---- ways to use up a stack ---- */

static __attribute__((noinline)) int recurse(volatile char *above)
{
    volatile char here[128];

    here[0] = above ? above[0] : 1;
    return (here[0] ? recurse(here) : 0) + here[0];
}

static int deep(void *arg)
{
    (void)arg;
    rv_name("deep");
    return recurse(NULL);
}

/* One frame of that many bytes, of which only the lowest is meant to be touched. */
static __attribute__((noinline)) int one_frame(size_t bytes)
{
    volatile char *block = alloca(bytes);

    block[0] = 1;
    return block[0];
}

static int wide(void *arg)
{
    size_t bytes = *(size_t *)arg;

    rv_name("wide %zu", bytes);
    for (size_t used = 0; used <= DEFAULT_BYTES; used += bytes)
        one_frame(bytes);
    return 0;
}

static __attribute__((noinline)) int frames_inside_frames(size_t bytes, size_t used)
{
    volatile char *block = alloca(bytes);

    block[0] = 1;
    if (used > 2 * DEFAULT_BYTES)
        return block[0];
    return frames_inside_frames(bytes, used + bytes) + block[0];
}

static int wide_and_deep(void *arg)
{
    rv_name("wide %zu", *(size_t *)arg);
    return frames_inside_frames(*(size_t *)arg, 0);
}

static __attribute__((noinline)) int compare(const void *a, const void *b)
{
    char line[4][256];
    int few[4] = {4, 3, 2, 1};

    for (int i = 0; i < 4; i++)
        snprintf(line[i], sizeof line[i], "%p %p", a, b);
    qsort(few, 4, sizeof few[0], compare);
    return few[0] + line[3][0];
}

static int through_libc(void *arg)
{
    rv_name("sorter");
    return compare(arg, arg);
}

/* ---- what is said of it ---- */

struct spawned {
    rv_fn *fn;
    void *arg;
};

static int one_child(void *arg)
{
    struct spawned *s = arg;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, s->fn, s->arg);
    return rv_group_close(&g, 0);
}

static void run_one(void *arg)
{
    int err = rv_run(one_child, arg, &options);

    fprintf(stderr, "rv_run: %d\n", err);
}

static struct child overflow(rv_fn *fn, void *arg)
{
    struct spawned s = {fn, arg};

    return child_run(run_one, &s);
}

/* The line that names it, with numbers that can be true of a stack of that many usable bytes. */
static void check_named(const struct child *c, const char *name, size_t usable)
{
    size_t bytes = 0, touched = 0;
    char text[128];
    const char *at;

    CHECK(ended_by(c, SIGSEGV));
    snprintf(text, sizeof text, "\"%s\", spawned at %s:", name, __FILE__);
    CHECK(child_said(c, text));
    CHECK(child_said(c, "stack overflow in task "));
    at = strstr(c->words, "it has ");
    CHECK(at &&
          sscanf(at, "it has %zu bytes of stack and touched byte %zu", &bytes, &touched) == 2);
    CHECK(bytes >= usable && bytes < usable + 2 * 4096);
    CHECK(touched > bytes && touched <= bytes + GUARD_BYTES);
}

TEST(hazard_3_an_overflow_names_the_task_its_spawn_site_its_stack_and_its_depth)
{
    struct child c = overflow(deep, NULL);
    char site[64];
    int calls = 0;

    check_named(&c, "deep", DEFAULT_BYTES);
    snprintf(site, sizeof site, "spawned at %s:", __FILE__);
    CHECK(child_said(&c, " calls deep. REEVE_STACK, rv_options.stack_bytes or rv_group_stack()"));
    for (const char *at = strstr(c.words, "      #"); at; at = strstr(at + 1, "      #"))
        calls++;
    CHECK(calls >= 4);
    if (!TAP_SANITIZED) /* the innermost is the task's, not the handler's; or a sanitizer's check */
        CHECK(child_said(&c, "      #0  t_overflow+"));
}

TEST(hazard_3_an_overflow_inside_libc_is_named_as_well)
{
    int few[2] = {2, 1};
    struct child c = overflow(through_libc, few);

    check_named(&c, "sorter", DEFAULT_BYTES);
}

static int sleeper(void *arg)
{
    rv_name("sleeper %d", (int)(intptr_t)arg);
    return rv_sleep(RV_NEVER);
}

static int crowd(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < CROWD; i++) {
        rv_go(&g, i == CROWD / 2 ? deep : sleeper, (void *)(intptr_t)i);
        CHECK_EQ(rv_yield(), 0);
    }
    return rv_group_close(&g, 0);
}

static void run_crowd(void *arg)
{
    (void)arg;
    rv_run(crowd, NULL, &(rv_options){.workers = 1}); /* which counts its tasks 1, 2, 3 */
}

TEST(hazard_3_one_overflow_among_a_thousand_tasks_is_the_one_named)
{
    struct child c = child_run(run_crowd, NULL);
    char id[64];

    check_named(&c, "deep", DEFAULT_BYTES);
    snprintf(id, sizeof id, "stack overflow in task %d ", CROWD / 2 + 2); /* the first task is 1 */
    CHECK(child_said(&c, id));
    CHECK(strstr(c.words, "sleeper") == NULL);
}

TEST(hazard_3_the_stack_size_of_the_options_is_what_an_overflow_reports)
{
    options.stack_bytes = 1 << 20;
    struct child c = overflow(deep, NULL);

    check_named(&c, "deep", 1 << 20);
}

static int small_and_large(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_group_stack(&g, *(size_t *)arg);
    rv_go(&g, deep, NULL);
    return rv_group_close(&g, 0);
}

static void run_sized(void *arg)
{
    rv_run(small_and_large, arg, NULL);
}

TEST(hazard_3_the_stack_size_of_the_group_is_what_an_overflow_reports)
{
    size_t sizes[] = {16 << 10, 128 << 10, 2 << 20};

    for (int i = 0; i < 3; i++) {
        struct child c = child_run(run_sized, &sizes[i]);
        check_named(&c, "deep", sizes[i]);
    }
}

static void *run_in_thread(void *arg)
{
    run_one(arg);
    return NULL;
}

static void overflow_beside_another_runtime(void *arg)
{
    struct spawned quiet = {sleeper, NULL};
    pthread_t other, mine;

    pthread_create(&other, NULL, run_in_thread, &quiet);
    pthread_create(&mine, NULL, run_in_thread, arg);
    pthread_join(mine, NULL);
}

TEST(hazard_3_an_overflow_on_a_second_thread_is_named)
{
    struct spawned s = {deep, NULL};
    struct child c = child_run(overflow_beside_another_runtime, &s);

    check_named(&c, "deep", DEFAULT_BYTES);
}

/* ---- frames that are larger than the guard ---- */

TEST(hazard_2_a_single_frame_of_any_size_is_stopped_by_the_guard)
{
    for (size_t bytes = 72 << 10; bytes <= 1 << 20; bytes *= 2) {
        char name[32];
        struct child c = overflow(wide, &bytes);
        snprintf(name, sizeof name, "wide %zu", bytes);
        check_named(&c, name, DEFAULT_BYTES);
    }
}

TEST(hazard_2_frames_inside_frames_are_stopped_by_the_guard)
{
    for (size_t bytes = 4 << 10; bytes <= 1 << 20; bytes *= 4) {
        char name[32];
        struct child c = overflow(wide_and_deep, &bytes);
        snprintf(name, sizeof name, "wide %zu", bytes);
        check_named(&c, name, DEFAULT_BYTES);
    }
}

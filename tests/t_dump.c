/* t_dump.c: rv_dump() names each task, its state, what it waits for and since when, and how it came
 * there; from any task, and however many there are.
 */
#include "tap.h"

#include <dlfcn.h>

#include "frame.h"
#include "reeve.h"
#include "virtual.h"

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

/* ---- states ---- */

static rv_group *limited;
static int ends[2];

/* Sockets: pipes are watched from Linux 6.4 on only, and read by operations before. */
static void open_ends(void)
{
    CHECK_EQ(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static int sleeper(void *arg)
{
    rv_name("sleeper %d", *(int *)arg);
    return rv_sleep(RV_S);
}

static int yielder(void *arg)
{
    (void)arg;
    while (rv_yield() == 0)
        ;
    return -ECANCELED;
}

static int reader(void *arg)
{
    char byte;

    (void)arg;
    return (int)rv_read(ends[0], &byte, 1);
}

static int roomless(void *arg)
{
    (void)arg;
    rv_go(limited, sleeper, NULL);
    return 0;
}

static int joiner(void *arg)
{
    rv_group g;

    rv_group_open(&g, rv_after(RV_S));
    rv_go(&g, sleeper, arg);
    return rv_group_close(&g, 0);
}

static int unstarted(void *arg)
{
    (void)arg;
    return 0;
}

static int all_states(void *arg)
{
    int number = 42;
    rv_group g, one;
    char *text, world[64];

    (void)arg;
    open_ends();
    rv_group_open(&g, RV_NEVER);
    rv_group_open(&one, RV_NEVER);
    limited = &one;
    rv_group_limit(&one, 1);
    rv_go(&one, sleeper, &number);
    rv_go(&g, reader, NULL);
    rv_go(&g, roomless, NULL);
    rv_go(&g, joiner, &number);
    CHECK_EQ(rv_sleep(RV_S / 2), 0);
    rv_go(&g, yielder, NULL);
    CHECK_EQ(rv_yield(), 0);
    rv_go(&g, unstarted, NULL);
    rv_name("the first");
    text = dump();
    snprintf(world, sizeof world, "7 tasks started, 1 not yet, backend %s\n", tap_world());
    check_has(text, world);
    check_has(text, "task 1 \"the first\", spawned at rv_run: running\n");
    check_has(text, "\"sleeper 42\", spawned at tests/t_dump.c:");
    check_has(text, "waits in rv_sleep for 0.500 s");
    check_has(text, "\"yielder\", spawned at tests/t_dump.c:");
    check_has(text, ": ready\n");
    check_has(text, "\"reader\", spawned at tests/t_dump.c:");
    check_has(text, "waits in rv_read, until ready on fd ");
    check_has(text, "waits in rv_go, until its group has room for 0.500 s\n");
    check_has(text, "waits in rv_group_close, until its tasks end for 0.500 s; deadline in ");
    free(text);
    rv_group_cancel(&one);
    rv_group_cancel(&g);
    (void)!rv_group_close(&one, 0);
    (void)!rv_group_close(&g, 0);
    CHECK_EQ(rv_close(ends[0]), 0);
    return rv_close(ends[1]);
}

TEST(each_task_is_named_with_its_state_and_what_it_waits_for_since_when)
{
    CHECK_EQ(run_virtual(all_states, NULL), 0);
}

static int long_name(void *arg)
{
    char *text;

    (void)arg;
    rv_name("%s", "a name that is longer than a task has room for, by far");
    text = dump();
    check_has(text, "\"a name that is longer t\", spawned at");
    free(text);
    rv_name("%s", "");
    text = dump();
    check_has(text, "task 1 \"main\", spawned at"); /* back to the function's */
    free(text);
    return 0;
}

TEST(a_long_name_is_cut_and_an_empty_one_is_the_function_s)
{
    CHECK_EQ(rv_run(long_name, NULL, NULL), 0);
}

/* ---- backtraces ---- */

enum { FRAME_SPAN = 1024 }; /* more than such a function is long, sanitized too */

/* Not static, so that the linker knows them; not inlined, so that they are frames. */
__attribute__((noinline, aligned(FRAME_SPAN))) int dump_inner(int depth);
__attribute__((noinline, aligned(FRAME_SPAN))) int dump_outer(int depth);

int dump_inner(int depth)
{
    int result = depth ? dump_outer(depth - 1) : rv_sleep(RV_S);

    __asm__ volatile("" ::: "memory");
    return result + 0;
}

int dump_outer(int depth)
{
    int result = dump_inner(depth);

    __asm__ volatile("" ::: "memory");
    return result;
}

static int deep(void *arg)
{
    return dump_outer((int)(intptr_t)arg);
}

static int frames_of(const char *text, const char *who)
{
    const char *at = strstr(text, who);
    int frames = 0;

    if (at == NULL)
        return -1;
    at = strchr(at, '\n') + 1;
    while (strncmp(at, "      #", 7) == 0) {
        frames++;
        at = strchr(at, '\n') + 1;
    }
    return frames;
}

/* How many of the frames shown for `who` are in fn. */
static int frames_in(const char *text, const char *who, void *fn)
{
    const char *at = strstr(text, who);
    int count = 0;
    Dl_info info;

    if (at == NULL || dladdr(fn, &info) == 0)
        return -1;
    at = strchr(at, '\n') + 1;
    for (; strncmp(at, "      #", 7) == 0; at = strchr(at, '\n') + 1) {
        const char *plus = strstr(at, "+0x");
        /* where the name is known, the offset is in the function, otherwise in the file */
        void *base = info.dli_saddr ? info.dli_saddr : info.dli_fbase;
        uintptr_t shown = plus ? strtoul(plus + 1, NULL, 16) + (uintptr_t)base : 0;

        count += shown - (uintptr_t)fn < FRAME_SPAN;
    }
    return count;
}

__attribute__((noinline, aligned(FRAME_SPAN))) char *dump_from(void);
char *dump_from(void)
{
    int fd = tap_temporary();
    char *text;

    rv_dump(fd);
    text = tap_read_all(fd);
    close(fd);
    return text;
}

static int backtraces(void *arg)
{
    rv_group g;
    char *text;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, deep, (void *)1);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    text = dump_from();
    CHECK(frames_of(text, "\"main\"") >= 3 && frames_of(text, "\"main\"") <= 12);
    CHECK(frames_in(text, "\"main\"", (void *)dump_from) >= 1);
#ifdef FRAME_BYTES /* the port knows how to visit a stack; under a sanitizer nobody does */
    if (!STACK_SANITIZED) {
        /* four of ours, task_main and the port's entry, perhaps `deep`: then it ends */
        CHECK(frames_of(text, "\"deep\"") >= 6 && frames_of(text, "\"deep\"") <= 10);
        CHECK_EQ(frames_in(text, "\"deep\"", (void *)dump_inner), 2);
    }
#endif
    if (tap_failures)
        fprintf(stderr, "%s\n", text);
    free(text);
    return rv_group_close(&g, 0);
}

TEST(hazard_5_backtraces_of_tasks_are_shown_and_end)
{
    CHECK_EQ(run_virtual(backtraces, NULL), 0);
}

enum { PARKED = 200 };

static int many(void *arg)
{
    int number = 0;
    rv_group g;
    char *text;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < PARKED; i++)
        rv_go(&g, sleeper, &number);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    text = dump();
    CHECK_EQ(count_of(text, ", spawned at "), PARKED + 1);
    check_has(text, "(backtraces of the first 64 only)\n");
    free(text);
    CHECK_EQ(rv_group_close(&g, 0), 0); /* all wake as if nothing had been */
    return *(int *)arg;
}

TEST(two_hundred_tasks_are_all_listed_and_go_on)
{
    int result = 3;

    CHECK_EQ(run_virtual(many, &result), 3);
}

static int dump_here(void *arg)
{
    char *text = dump();

    (void)arg;
    check_has(text, "\"dump_here\", spawned at");
    free(text);
    return rv_yield();
}

static int on_small_stacks(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_stack(&g, 1);
    for (int i = 0; i < 5; i++)
        rv_go(&g, dump_here, NULL);
    return rv_group_close(&g, 0);
}

TEST(a_dump_fits_the_smallest_stack)
{
    CHECK_EQ(rv_run(on_small_stacks, NULL, NULL), 0);
}

/* ---- watches ---- */

static int stale_watch(void *arg)
{
    rv_group g;
    char *text, words[64];

    (void)arg;
    open_ends();
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, reader, NULL);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    snprintf(words, sizeof words, "fd %d was closed without rv_close()", ends[0]);
    text = dump();
    CHECK(strstr(text, words) == NULL);
    free(text);
    close(ends[0]);
    text = dump();
    check_has(text, words);
    free(text);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    return rv_close(ends[1]);
}

TEST(hazard_49_a_watch_whose_descriptor_was_closed_behind_our_back_is_listed)
{
    NOT_IN_SIM("real descriptors: closed behind our back");
    CHECK_EQ(rv_run(stale_watch, NULL, NULL), 0);
}

static int nowhere(void *arg)
{
    (void)arg;
    rv_dump(-1);
    return 4;
}

TEST(a_dump_to_nowhere_is_harmless)
{
    CHECK_EQ(rv_run(nowhere, NULL, NULL), 4);
}

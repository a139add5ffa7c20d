/* t_secrets.c: hazard 47: what a finished task left on its stack, and who can read it.
 *
 * Each test scans as an attacker would: all of its own stack below its frame, byte by byte. Without
 * the option the scan finds the secret, which proves the scan.
 */
#include "tap.h"

#include "reeve.h"
#include "sched/worker.h"

enum { USE = 40 * 1024, ROUNDS = 200 };

static const char secret[16] = "correct horse b";

struct found {
    size_t tasks;   /* that looked */
    size_t secrets; /* that they saw */
};

static __attribute__((noinline)) int keep_secret(void)
{
    volatile char block[USE];

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = secret[i % sizeof secret];
    return block[17] == secret[17 % sizeof secret] ? 0 : -EINVAL;
}

/* Compares backwards, so that it does not put the secret there itself. */
static __attribute__((noinline, no_sanitize("address"))) size_t scan(const char *low,
                                                                     const char *end)
{
    size_t seen = 0;

    for (const volatile char *at = low; at + sizeof secret <= end; at++) {
        size_t same = 0;
        while (same < sizeof secret && at[same] == secret[same])
            same++;
        seen += same == sizeof secret;
    }
    return seen;
}

static __attribute__((noinline, no_sanitize("address"))) size_t scan_own_stack(void)
{
    const struct task *me = worker_self->task;

    return scan(me->stack.low, (const char *)__builtin_frame_address(0) - 256);
}

static int owner(void *arg)
{
    int err = keep_secret();

    (void)arg;
    return err ? err : rv_yield();
}

static int thief(void *arg)
{
    struct found *found = arg;

    found->tasks++;
    found->secrets += scan_own_stack();
    return 0;
}

static int one_then_the_other(void *arg)
{
    rv_group g;

    for (int i = 0; i < ROUNDS; i++) {
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, owner, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, thief, arg);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

/* Records that follow each other on one stack, without a switch between. */
static int all_at_once(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < ROUNDS; i++) {
        rv_go(&g, thief, arg);
        rv_go(&g, owner, NULL);
    }
    return rv_group_close(&g, 0);
}

TEST(hazard_47_without_wiping_the_scan_finds_the_secret)
{
    struct found one = {0}, all = {0};

    CHECK_EQ(rv_run(one_then_the_other, &one, NULL), 0);
    CHECK_EQ(rv_run(all_at_once, &all, NULL), 0);
    CHECK_EQ(one.tasks, ROUNDS);
    CHECK(one.secrets > 1000);
    CHECK(all.secrets > 1000);
}

TEST(hazard_47_with_reeve_wipe_no_task_finds_what_another_left)
{
    struct found found = {0};

    setenv("REEVE_WIPE", "1", 1);
    CHECK_EQ(rv_run(one_then_the_other, &found, NULL), 0);
    CHECK_EQ(rv_run(all_at_once, &found, NULL), 0);
    CHECK_EQ(found.tasks, 2 * ROUNDS);
    CHECK_EQ(found.secrets, 0);
}

TEST(hazard_47_with_the_option_no_task_finds_what_another_left)
{
    struct found found = {0};
    rv_options options = {.wipe_stacks = true};

    CHECK_EQ(rv_run(one_then_the_other, &found, &options), 0);
    CHECK_EQ(rv_run(all_at_once, &found, &options), 0);
    CHECK_EQ(found.tasks, 2 * ROUNDS);
    CHECK_EQ(found.secrets, 0);
}

/* The argument that rv_go_copy() copied is a task's too. */
static int holds_copy(void *arg)
{
    return memcmp(arg, secret, sizeof secret) == 0 ? 0 : -EINVAL;
}

static int copies(void *arg)
{
    static char large[8192];
    rv_group g;

    for (size_t i = 0; i < sizeof large; i++)
        large[i] = secret[i % sizeof secret];
    for (int i = 0; i < ROUNDS; i++) {
        rv_group_open(&g, RV_NEVER);
        rv_go_copy(&g, holds_copy, large, sizeof large);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, thief, arg);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST(hazard_47_copied_arguments_are_wiped_with_the_stack)
{
    struct found plain = {0}, wiped = {0};
    rv_options options = {.wipe_stacks = true};

    CHECK_EQ(rv_run(copies, &plain, NULL), 0);
    CHECK(plain.secrets > 100);
    CHECK_EQ(rv_run(copies, &wiped, &options), 0);
    CHECK_EQ(wiped.secrets, 0);
}

/* Stacks that went back to the kernel and came again are clean, whatever way they took. */
static int trimmed_between(void *arg)
{
    rv_group g;

    for (int i = 0; i < 20; i++) {
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, owner, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        while (stack_warm(&worker_self->stacks))
            stack_trim(&worker_self->stacks, 3);
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, thief, arg);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST(hazard_47_trimmed_stacks_hold_no_secret)
{
    struct found found = {0};
    rv_options options = {.wipe_stacks = true};

    CHECK_EQ(rv_run(trimmed_between, &found, &options), 0);
    CHECK_EQ(found.tasks, 20);
    CHECK_EQ(found.secrets, 0);
}

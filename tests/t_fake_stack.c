/* t_fake_stack.c: AddressSanitizer's fake stacks, where frames live elsewhere so that the use of
 * one that has returned is found, follow their tasks through switches and die with them.
 */
#include "child.h"

#include "reeve.h"
#include "stack/sanitize.h"

enum { LIVES = SCALED(100000, 20000) };

/* Read by AddressSanitizer before main(). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_stack_use_after_return=1";
}

static volatile char sink;

static __attribute__((noinline)) int fill(volatile char *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        block[i] = (char)i;
    return block[bytes - 1];
}

static int with_a_frame(void *arg)
{
    volatile char block[500];
    int err = 0;

    fill(block, sizeof block);
    if (*(int *)arg % 3 == 0)
        err = rv_yield();
    sink = block[sizeof block - 1];
    CHECK_EQ(sink, (char)(sizeof block - 1));
    return err;
}

static size_t address_space_mib(void)
{
    size_t kib = 0;
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof line, file) && sscanf(line, "VmSize: %zu", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return kib / 1024;
}

static int lives(int count)
{
    rv_group g;

    for (int i = 0; i < count; i += 50) {
        rv_group_open(&g, RV_NEVER);
        for (int j = i; j < i + 50; j++)
            rv_go_copy(&g, with_a_frame, &j, sizeof j);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

/* A task's fake stack is megabytes of address space: one that was forgotten shows. */
static int many_lives(void *arg)
{
    size_t before;

    (void)arg;
    lives(LIVES / 10);
    before = address_space_mib();
    lives(LIVES);
    CHECK(address_space_mib() < before + 1024);
    return 0;
}

TEST(hazard_14_fake_stacks_of_many_lives_give_no_false_report_and_are_freed)
{
    CHECK_EQ(rv_run(many_lives, NULL, NULL), 0);
}

static __attribute__((noinline)) volatile char *own_frame(void)
{
    volatile char block[64];
    volatile char *volatile out = block;

    fill(block, sizeof block);
    return out;
}

static int use_after_return(void *arg)
{
    volatile char *block = own_frame();

    (void)arg;
    CHECK_EQ(rv_yield(), 0);
    return block[0];
}

static int beside_others(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, use_after_return, arg);
    for (int i = 0; i < 20; i++)
        rv_go_copy(&g, with_a_frame, &i, sizeof i);
    return rv_group_close(&g, 0);
}

static void run_beside_others(void *arg)
{
    rv_run(beside_others, arg, NULL);
}

TEST(use_of_a_frame_that_returned_is_found_across_switches)
{
#ifdef __SANITIZE_ADDRESS__
    struct child c = child_run(run_beside_others, NULL);

    CHECK(child_said(&c, "stack-use-after-return"));
    CHECK(child_said(&c, "in use_after_return"));
#else
    (void)run_beside_others;
    SKIP("only AddressSanitizer sees it: SAN=address");
#endif
}

/* t_fault.c: a fault that is no stack overflow is the program's own, as if no runtime were there.
 */
#include "child.h"

#include <setjmp.h>
#include <sys/mman.h>

#include "reeve.h"
#include "sched/worker.h"

static volatile int *volatile nowhere = NULL;
static sigjmp_buf back;
static volatile sig_atomic_t seen, seen_code;
static void *volatile seen_address;

static void with_info(int sig, siginfo_t *info, void *context)
{
    (void)context;
    seen = sig;
    seen_code = info->si_code;
    seen_address = info->si_addr;
    siglongjmp(back, 1);
}

static void plain(int sig)
{
    seen = sig;
    siglongjmp(back, 1);
}

static void install(int sig, void (*simple)(int))
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};

    if (simple) {
        action.sa_flags = 0;
        action.sa_handler = simple;
    } else {
        action.sa_sigaction = with_info;
    }
    sigaction(sig, &action, NULL);
}

static __attribute__((noinline, no_sanitize("undefined"))) void touch_nowhere(void)
{
    *nowhere = 1;
}

static int fault_and_return(void *arg)
{
    (void)arg;
    if (sigsetjmp(back, 1) == 0)
        touch_nowhere();
    return rv_yield();
}

TEST(a_fault_in_a_task_reaches_the_handler_that_the_program_had)
{
    install(SIGSEGV, NULL);
    CHECK_EQ(rv_run(fault_and_return, NULL, NULL), 0);
    CHECK_EQ(seen, SIGSEGV);
    CHECK_EQ(seen_code, SEGV_MAPERR);
    CHECK(seen_address == NULL);
}

TEST(a_fault_in_a_task_reaches_a_handler_without_siginfo_too)
{
    install(SIGSEGV, plain);
    CHECK_EQ(rv_run(fault_and_return, NULL, NULL), 0);
    CHECK_EQ(seen, SIGSEGV);
}

static int touch_past_the_end(void *arg)
{
    if (sigsetjmp(back, 1) == 0)
        *(volatile char *)arg = 1;
    return 0;
}

TEST(a_bus_error_in_a_task_reaches_the_handler_that_the_program_had)
{
    int fd = tap_temporary();
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    install(SIGBUS, NULL);
    CHECK_EQ(rv_run(touch_past_the_end, map, NULL), 0);
    CHECK_EQ(seen, SIGBUS);
    CHECK(seen_address == map);
}

/* ---- nobody handles it ---- */

static int fault(void *arg)
{
    (void)arg;
    touch_nowhere();
    return 0;
}

static int send_myself(void *arg)
{
    raise(*(int *)arg);
    return 0;
}

struct run {
    rv_fn *fn;
    void *arg;
};

static void run(void *arg)
{
    struct run *r = arg;

    rv_run(r->fn, r->arg, NULL);
    _exit(0);
}

static struct child run_child(rv_fn *fn, void *arg)
{
    struct run r = {fn, arg};

    return child_run(run, &r);
}

TEST(a_fault_that_nobody_handles_kills_without_talk_of_an_overflow)
{
    struct child c = run_child(fault, NULL);

    CHECK(ended_by(&c, SIGSEGV));
    CHECK(strstr(c.words, "reeve: ") == NULL);
}

TEST(a_sigsegv_that_was_sent_kills_as_a_fault_would)
{
    int signals[] = {SIGSEGV, SIGBUS};

    for (int i = 0; i < 2; i++) {
        struct child c = run_child(send_myself, &signals[i]);
        CHECK(ended_by(&c, signals[i]));
    }
}

TEST(a_sigsegv_that_was_sent_and_is_ignored_is_ignored)
{
    int sig = SIGSEGV;
    struct child c;

    signal(SIGSEGV, SIG_IGN);
    c = run_child(send_myself, &sig);
    CHECK_EQ(c.signal, 0);
    CHECK_EQ(c.code, 0);
}

/* ---- a guard that is touched by no overflow ---- */

static volatile char *sleepers_frame;

static int sleeper(void *arg)
{
    volatile char here = 0;

    (void)arg;
    rv_name("sleeper");
    sleepers_frame = &here;
    return rv_sleep(RV_NEVER);
}

static int vandal(void *arg)
{
    volatile char *at = sleepers_frame;

    (void)arg;
    rv_name("vandal");
    at -= 64 * 1024 + 16 * 1024;
    *at = 1;
    return 0;
}

static int sleeper_and_vandal(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, sleeper, arg);
    if (rv_yield() == 0)
        rv_go(&g, vandal, arg);
    return rv_group_close(&g, 0);
}

TEST(a_wild_write_into_the_guard_of_another_task_is_not_called_its_overflow)
{
    struct child c = run_child(sleeper_and_vandal, NULL);

    CHECK(ended_by(&c, SIGSEGV));
    CHECK(child_said(&c, "\"vandal\""));
    CHECK(child_said(&c, "\"sleeper\""));
    CHECK(strstr(c.words, "stack overflow in task") == NULL);
}

static int short_lived(void *arg)
{
    (void)arg;
    sleepers_frame = __builtin_frame_address(0);
    return 0;
}

static int after_its_end(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, short_lived, arg);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    while (stack_warm(&worker_self->stacks)) /* a trimmed stack has no head to ask */
        stack_trim(&worker_self->stacks, 100);
    return vandal(arg);
}

TEST(a_wild_write_into_the_guard_of_an_idle_stack_is_not_called_an_overflow)
{
    struct child c = run_child(after_its_end, NULL);

    CHECK(ended_by(&c, SIGSEGV));
    CHECK(child_said(&c, "\"vandal\""));
    CHECK(strstr(c.words, "stack overflow in task") == NULL);
}

/* ---- before and after ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(hazard_3_handlers_and_the_signal_stack_are_put_back_after_the_run)
{
    static char own_stack[64 * 1024];
    stack_t mine = {.ss_sp = own_stack, .ss_size = sizeof own_stack}, after;
    struct sigaction before, segv, bus;

    install(SIGSEGV, plain);
    sigaction(SIGSEGV, NULL, &before);
    sigaltstack(&mine, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(rv_run(nothing, NULL, NULL), 0);
    sigaction(SIGSEGV, NULL, &segv);
    sigaction(SIGBUS, NULL, &bus);
    sigaltstack(NULL, &after);
    CHECK(segv.sa_handler == plain && segv.sa_flags == before.sa_flags);
    CHECK(TAP_SANITIZED || bus.sa_handler == SIG_DFL);
    CHECK(after.ss_sp == own_stack && after.ss_size == sizeof own_stack);
}

static int install_inside(void *arg)
{
    (void)arg;
    install(SIGSEGV, plain);
    return fault_and_return(arg);
}

TEST(a_handler_installed_during_the_run_stays)
{
    struct sigaction after;

    CHECK_EQ(rv_run(install_inside, NULL, NULL), 0);
    CHECK_EQ(seen, SIGSEGV);
    sigaction(SIGSEGV, NULL, &after);
    CHECK(after.sa_handler == plain);
}

/* t_foreign_misuse.c: who may not call what beside a runtime dies at once, in words: a task that
 * would block its thread, a plain thread that makes a task's call, a post of nonsense.
 */
#include "tests/child.h"
#include "tests/threads.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static rv_runtime *known;

static int call_from_a_task(void *arg)
{
    (void)arg;
    return rv_runtime_call(rv_runtime_self(), nothing, NULL);
}

static int call_another_from_a_task(void *arg)
{
    (void)arg;
    return rv_runtime_call(known, nothing, NULL);
}

static int free_from_its_task(void *arg)
{
    (void)arg;
    rv_runtime_free(known);
    return 0;
}

static int free_what_runs(void *arg)
{
    (void)arg;
    rv_runtime_free(rv_runtime_self());
    return 0;
}

static int in_rv_run(void *fn)
{
    return rv_run(*(rv_fn **)fn, NULL, NULL);
}

static int in_rv_run_beside_another(void *fn)
{
    known = new_runtime(2);
    return rv_run(*(rv_fn **)fn, NULL, NULL);
}

static int in_its_own(void *fn)
{
    known = new_runtime(2);
    return rv_runtime_call(known, *(rv_fn **)fn, NULL);
}

TEST(hazard_27_a_task_that_would_block_its_thread_on_a_runtime_dies_in_words)
{
    rv_fn *call = call_from_a_task, *call_other = call_another_from_a_task,
          *free_own = free_from_its_task, *free_run = free_what_runs;

    NOT_IN_SIM(NO_REAL_THREADS);
    check_dies(in_rv_run, &call, "rv_runtime_call: this thread runs tasks, and would stand still",
               "a call of one's own runtime");
    check_dies(in_rv_run_beside_another, &call_other,
               "rv_runtime_call: this thread runs tasks, and would stand still",
               "a call of another runtime");
    check_dies(in_its_own, &free_own,
               "rv_runtime_free: a task of the runtime cannot wait for its end",
               "a free of one's own runtime");
    check_dies(in_rv_run_beside_another, &free_own,
               "rv_runtime_free: this thread runs tasks, and would stand still",
               "a free of another runtime");
    check_dies(in_rv_run, &free_run,
               "rv_runtime_free: this runtime is rv_run()'s, and ends with its function",
               "a free of rv_run()'s");
}

#define CALL(name, expression)        \
    static int call_##name(void *arg) \
    {                                 \
        (void)arg;                    \
        return (int)(expression);     \
    }
#define ROW(name)          \
    {                      \
#name, call_##name \
    }

static rv_group group;
static rv_scope scope;
static char buffer[16];

CALL(rv_read, rv_read(0, buffer, 1))
CALL(rv_close, rv_close(0))
CALL(rv_go, (rv_go(&group, nothing, NULL), 0))
CALL(rv_go_on, (rv_go_on(&group, 0, nothing, NULL), 0))
CALL(rv_spread_open, (rv_spread_open(&group, 1), 0))
CALL(rv_group_close, rv_group_close(&group, 0))
CALL(rv_cancel, (rv_cancel(&scope), 0))
CALL(rv_yield, rv_yield())
CALL(rv_sleep, rv_sleep(1))
CALL(rv_on, rv_on(0, nothing, NULL))
CALL(rv_worker, rv_worker())
CALL(rv_workers, rv_workers())
CALL(rv_dump, (rv_dump(2), 0))
CALL(rv_runtime_self, rv_runtime_self() == NULL)

static const struct call {
    const char *name;
    int (*make)(void *);
} calls[] = {
    ROW(rv_read),        ROW(rv_close),   ROW(rv_go),    ROW(rv_go_on),        ROW(rv_spread_open),
    ROW(rv_group_close), ROW(rv_cancel),  ROW(rv_yield), ROW(rv_sleep),        ROW(rv_on),
    ROW(rv_worker),      ROW(rv_workers), ROW(rv_dump),  ROW(rv_runtime_self),
};

static int call_beside_a_runtime(void *call)
{
    known = new_runtime(2);
    return ((const struct call *)call)->make(NULL);
}

TEST(hazard_27_a_thread_beside_a_runtime_that_makes_a_task_s_call_dies_naming_it)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char words[128];

        snprintf(words, sizeof words, "reeve: %s: called outside a task", calls[i].name);
        check_dies(call_beside_a_runtime, (void *)&calls[i], words, calls[i].name);
    }
}

static int post_to_nobody(void *arg)
{
    (void)arg;
    return rv_runtime_post(NULL, nothing, NULL, 0);
}

static int post_nothing(void *arg)
{
    (void)arg;
    return rv_runtime_post(new_runtime(1), NULL, NULL, 0);
}

static int post_bytes_of_nowhere(void *arg)
{
    (void)arg;
    return rv_runtime_post(new_runtime(1), nothing, NULL, 8);
}

static int new_to_nowhere(void *arg)
{
    (void)arg;
    return rv_runtime_new(NULL, NULL);
}

TEST(who_posts_nonsense_dies_in_words)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    check_dies(post_to_nobody, NULL, "rv_runtime_post: the runtime is NULL", "no runtime");
    check_dies(post_nothing, NULL, "rv_runtime_post: the function is NULL", "no function");
    check_dies(post_bytes_of_nowhere, NULL, "the argument is NULL, and 8 bytes of it are wanted",
               "no argument");
    check_dies(new_to_nowhere, NULL, "there is no place for the runtime", "no place");
}

static int call_in_a_fork(void *unused)
{
    pid_t pid;
    int status = 0;

    (void)unused;
    known = new_runtime(1);
    pid = fork();
    if (pid == 0)
        _exit(rv_runtime_call(known, in_its_own, NULL) == 0);
    waitpid(pid, &status, 0);
    rv_runtime_free(known);
    return WIFSIGNALED(status) ? 0 : 1;
}

TEST(a_forked_child_of_a_thread_that_knows_a_runtime_dies_in_words)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    if (TAP_SANITIZED)
        SKIP("sanitizers and a fork beside threads");
    c = child_result(call_in_a_fork, NULL);
    CHECK_EQ(c.code, 0);
    check_says(&c, "reeve: rv_runtime_call: called in a forked child", "the child");
}

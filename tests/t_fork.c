/* t_fork.c: a runtime does not survive fork(): the child has no tasks, every call says so, and what
 * the child does or does not do leaves the parent's ring alone.
 */
#include "child.h"

#include "reeve.h"

static int use_in_child(void *arg)
{
    (void)arg;
    return rv_yield();
}

static int open_in_child(void *arg)
{
    rv_scope s;

    (void)arg;
    rv_scope_open(&s, RV_NEVER);
    return 0;
}

static int forks(void *arg)
{
    (void)arg;
    check_dies(use_in_child, NULL, "reeve: rv_yield: called in a forked child", "a child");
    check_dies(open_in_child, NULL, "reeve: rv_scope_open: called in a forked child", "a child");
    CHECK_EQ(rv_sleep(RV_MS), 0);
    return 5;
}

TEST(hazard_32_a_call_in_a_forked_child_dies_in_words_and_the_parent_goes_on)
{
    CHECK_EQ(rv_run(forks, NULL, NULL), 5);
}

/* As if the task went on here: the others are the parent's, and none may run a second time. */
static int fork_and_return(void *arg)
{
    int err = tap_temporary(), status = 0;
    char *words;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        dup2(err, 2);
        return *(int *)arg;
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(!WIFEXITED(status) || TAP_SANITIZED);
    words = tap_read_all(err);
    CHECK(strstr(words, "reeve: a task returned in a forked child") != NULL);
    if (tap_failures)
        fprintf(stderr, "%s", words);
    free(words);
    close(err);
    return 0;
}

static int run_once(void *arg)
{
    CHECK_EQ(write(*(int *)arg, "x", 1), 1);
    return 0;
}

static int returns_in_child(void *arg)
{
    char bytes[8];
    int ends[2];
    rv_group g;

    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0); /* of the kernel's, that a child shares */
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, run_once, &ends[1]);
    rv_go(&g, fork_and_return, arg); /* runs first */
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(read(ends[0], bytes, sizeof bytes), 1);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

TEST(hazard_32_a_task_that_returns_in_a_forked_child_dies_in_words_and_runs_nobody)
{
    for (int result = 0; result >= -EIO; result -= EIO)
        CHECK_EQ(rv_run(returns_in_child, &result, NULL), 0);
}

static int exit_at_once(void *arg)
{
    return *(int *)arg;
}

static int children_exit(void *arg)
{
    char byte;
    int ends[2], code = 3;

    (void)arg;
    CHECK_EQ(rv_pipe(ends, 0), 0);
    for (int i = 0; i < 5; i++) {
        struct child o = child_result(exit_at_once, &code);

        CHECK(o.signal == 0 && o.code == 3);
        CHECK_EQ(rv_write(ends[1], "x", 1), 1);
        CHECK_EQ(rv_read(ends[0], &byte, 1), 1);
        CHECK_EQ(rv_sleep(RV_MS), 0);
    }
    CHECK_EQ(rv_close(ends[0]), 0);
    return rv_close(ends[1]);
}

TEST(hazard_32_a_child_that_only_exits_disturbs_nobody)
{
    CHECK_EQ(rv_run(children_exit, NULL, NULL), 0);
}

static int sleep_a_bit(void *arg)
{
    (void)arg;
    return rv_sleep(RV_MS) == 0 ? 9 : 1;
}

static int run_anew(void *arg)
{
    return rv_run(sleep_a_bit, arg, NULL);
}

/* TSan lets a child of several threads make none. */
static bool may_run_anew(void)
{
#ifdef __SANITIZE_THREAD__
    return rv_workers() == 1;
#else
    return true;
#endif
}

static int child_runs_anew(void *arg)
{
    if (!may_run_anew())
        SKIP("TSan: threads after a fork of several");
    struct child o = child_result(run_anew, arg);

    CHECK(o.signal == 0 && o.code == 9);
    if (tap_failures)
        fprintf(stderr, "%s", o.words);
    return rv_sleep(RV_MS);
}

TEST(hazard_32_a_forked_child_may_run_a_runtime_of_its_own)
{
    CHECK_EQ(rv_run(child_runs_anew, NULL, NULL), 0);
}

static bool inherited[100];

static int own_fds(void *arg)
{
    int own = 0;

    (void)arg;
    for (int fd = 3; fd < 100; fd++) {
        int flags = fcntl(fd, F_GETFD);

        if (flags < 0 || inherited[fd])
            continue;
        own++;
        CHECK(flags & FD_CLOEXEC);
    }
    return own;
}

TEST(hazard_32_no_descriptor_of_a_runtime_survives_exec)
{
    for (int fd = 3; fd < 100; fd++)
        inherited[fd] = fcntl(fd, F_GETFD) >= 0;
    CHECK(rv_run(own_fds, NULL, NULL) >= !in_sim()); /* the ring, at least */
    CHECK_EQ(own_fds(NULL), 0);
}

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

static int exit_at_once(void *arg)
{
    return *(int *)arg;
}

static int children_exit(void *arg)
{
    char byte;
    int ends[2], code = 3;

    (void)arg;
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < 5; i++) {
        struct outcome o = child_run(exit_at_once, &code);

        CHECK(o.exited && o.code == 3);
        free(o.text);
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

static int child_runs_anew(void *arg)
{
    struct outcome o = child_run(run_anew, arg);

    CHECK(o.exited && o.code == 9);
    if (tap_failures)
        fprintf(stderr, "%s", o.text);
    free(o.text);
    return rv_sleep(RV_MS);
}

TEST(hazard_32_a_forked_child_may_run_a_runtime_of_its_own)
{
    CHECK_EQ(rv_run(child_runs_anew, NULL, NULL), 0);
}

static int child_returns(void *arg)
{
    int err = tap_temporary(), status = 0;
    pid_t pid = fork();
    char *text;

    (void)arg;
    if (pid == 0) {
        dup2(err, 2);
        return 0; /* into a runtime that is the parent's */
    }
    waitpid(pid, &status, 0);
    text = tap_read_all(err);
    CHECK(status != 0);
    CHECK(strstr(text, "reeve: the end of a task: called in a forked child"));
    free(text);
    close(err);
    return rv_sleep(RV_MS);
}

TEST(hazard_32_a_task_that_ends_in_a_forked_child_dies_in_words)
{
    CHECK_EQ(rv_run(child_returns, NULL, NULL), 0);
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
    CHECK(rv_run(own_fds, NULL, NULL) > 0); /* the ring, at least */
    CHECK_EQ(own_fds(NULL), 0);
}

/* t_numbers.c: a number that the kernel has just handed out means the new file and nothing of the
 * one that had it before and was closed behind our back.
 */
#include "tests/net.h"

#include "sched/worker.h"

/* A number whose file was waited on, so that it has a watch and a kind, and is closed raw. */
static int stale_number(int *peer)
{
    char byte;
    int fds[2];

    connected_pair(AF_UNIX, SOCK_STREAM, fds); /* which leaves no lower number free */
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(fds[0], &byte, 1)), -ETIMEDOUT);
    close(fds[0]);
    *peer = fds[1];
    return fds[0];
}

TEST_TASK(hazard_49_a_number_that_openat_returns_is_a_file_whatever_it_was)
{
    char path[] = "/tmp/reeve-XXXXXX", got[4];
    int peer, number, fd = MUST(mkstemp(path));

    NOT_IN_SIM("real descriptors: closed behind our back");
    MUST(write(fd, "1234", 4));
    close(fd);
    number = stale_number(&peer);
    fd = rv_openat(AT_FDCWD, path, O_RDWR, 0);
    unlink(path);
    CHECK_EQ(fd, number);
    CHECK_EQ(rv_pread(fd, got, 4, 0), 4);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(peer);
}

static int read_two(void *arg)
{
    char bytes[2];

    return (int)rv_read_full(*(int *)arg, bytes, 2) == -EBADF ? 0 : -EIO;
}

/* Its number comes to mean another socket before it was noticed that the old one is gone: what
 * arrives there is not for the one who waits. */
TEST_TASK_ALONE(hazard_49_who_waits_on_a_number_does_not_get_what_comes_for_the_next)
{
    struct address at;
    int fds[2], other, old;
    char byte = 0;
    rv_group g;

    NOT_IN_SIM("real descriptors: closed behind our back");
    connected_pair(AF_UNIX, SOCK_STREAM, fds);
    old = fds[0];
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, read_two, &old);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    close(old);
    CHECK_EQ(rv_socket(AF_INET, SOCK_DGRAM, 0), old);
    other = bound(AF_INET, SOCK_DGRAM, &at);
    at.len = sizeof at.at;
    MUST(connect(old, address_of(&at), at.len));
    MUST(getsockname(old, address_of(&at), &at.len));
    MUST(connect(other, address_of(&at), at.len));
    MUST(write(other, "2", 1));
    CHECK_EQ(WITHIN(LONG, rv_recv(old, &byte, 1, 0)), 1);
    CHECK_EQ(byte, '2');
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(old), 0);
    CHECK_EQ(rv_close(other), 0);
    return rv_close(fds[1]);
}

static bool may_close;

static int close_when_told(void *arg)
{
    while (!may_close)
        CHECK_EQ(rv_yield(), 0);
    return rv_close(*(int *)arg);
}

/* A terminal is first read without waiting, which its driver cannot: that is paid for, others run,
 * and one of them closes it. */
TEST_TASK(hazard_23_a_read_that_let_others_run_does_not_submit_for_a_number_that_is_being_closed)
{
    int terminal = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    rv_group g;
    char byte;

    NOT_IN_SIM("real descriptors: terminals");
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(terminal, &byte, 1)), -ETIMEDOUT);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, close_when_told, &terminal);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(rv_yield(), 0);
    may_close = true;
    worker_self->credit = 1;
    CHECK_EQ(rv_read(terminal, &byte, 1), -EBADF);
    return rv_group_close(&g, 0);
}

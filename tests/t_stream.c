/* t_stream.c: reading, writing and polling what is no socket and no file: pipes, FIFOs, eventfds,
 * timers, terminals, devices.
 */
#include "tests/net.h"

#include <pty.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

struct act {
    int fd;
    const void *bytes;
    size_t len;
};

static int write_later(void *arg)
{
    struct act *a = arg;
    int err = rv_sleep(RV_MS);

    return err < 0 ? err : rv_write_all(a->fd, a->bytes, a->len);
}

/* A read that waits gets what comes later; one that finds it does not wait. */
static void check_reading(int from, int to, const void *bytes, size_t len)
{
    char buf[64];
    struct act a = {to, bytes, len};
    rv_group g;

    CHECK_EQ(WITHIN(A_MOMENT, rv_read(from, buf, sizeof buf)), -ETIMEDOUT);
    for (int round = 0; round < 3; round++) {
        rv_group_open(&g, rv_after(LONG));
        rv_go(&g, write_later, &a);
        CHECK_EQ(rv_read(from, buf, sizeof buf), (long)len);
        CHECK(memcmp(buf, bytes, len) == 0);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(rv_write(to, bytes, len), (long)len);
        CHECK_EQ(WITHIN(LONG, rv_poll(from, POLLIN)), POLLIN);
        CHECK_EQ(rv_read(from, buf, sizeof buf), (long)len);
    }
    CHECK_EQ(WITHIN(A_MOMENT, rv_poll(from, POLLIN)), -ETIMEDOUT);
    CHECK_EQ(rv_read(from, buf, 0), 0);
}

/* With the user's O_NONBLOCK and without, and the flags are after as they were before. */
static void check_both_ways(int from, int to, const void *bytes, size_t len)
{
    for (int flag = 0; flag <= O_NONBLOCK; flag += O_NONBLOCK) {
        int old_from = fcntl(from, F_GETFL), old_to = fcntl(to, F_GETFL);

        MUST(fcntl(from, F_SETFL, old_from | flag));
        MUST(fcntl(to, F_SETFL, old_to | flag));
        check_reading(from, to, bytes, len);
        CHECK_EQ(fcntl(from, F_GETFL), old_from | flag);
        CHECK_EQ(fcntl(to, F_GETFL), old_to | flag);
    }
}

TEST_TASK(hazard_50_a_pipe_is_read_and_written_and_keeps_its_flags)
{
    int p[2];

    for (int flag = 0; flag <= O_NONBLOCK; flag += O_NONBLOCK) {
        MUST(rv_pipe(p, flag));
        check_reading(p[0], p[1], "through", 7);
        if (!in_sim())
            check_both_ways(p[0], p[1], "through", 7);
        close_both(p);
    }
    return 0;
}

TEST_TASK(hazard_50_a_fifo_is_read_and_written_and_keeps_its_flags)
{
    char folder[] = "/tmp/reeve-XXXXXX", path[64];
    int p[2];

    NOT_IN_SIM("real descriptors: FIFOs");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/fifo", folder);
    MUST(mkfifo(path, 0600));
    p[0] = rv_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
    p[1] = rv_openat(AT_FDCWD, path, O_WRONLY, 0);
    CHECK(p[0] >= 0 && p[1] >= 0);
    MUST(fcntl(p[0], F_SETFL, 0));
    check_both_ways(p[0], p[1], "through", 7);
    close_both(p);
    unlink(path);
    rmdir(folder);
    return 0;
}

TEST_TASK(hazard_50_an_eventfd_counts_and_keeps_its_flags)
{
    const uint64_t three = 3;
    int fd = MUST(eventfd(0, EFD_CLOEXEC));
    char byte;

    NOT_IN_SIM("real descriptors: eventfds");
    if (!under_qemu()) { /* which has no RWF_NOWAIT: a call must first wait for readiness */
        CHECK_EQ(rv_read(fd, &byte, 1), -EINVAL);
        CHECK_EQ(rv_write(fd, &byte, 1), -EINVAL);
    }
    check_both_ways(fd, fd, &three, sizeof three);
    return rv_close(fd);
}

static int make_room(void *arg)
{
    uint64_t count;
    int err = rv_sleep(RV_MS);

    return err < 0 ? err : (int)rv_read(*(int *)arg, &count, sizeof count) - (int)sizeof count;
}

TEST_TASK(a_write_to_a_full_eventfd_waits_for_room)
{
    const uint64_t most = UINT64_MAX - 1, one = 1;
    int fd = MUST(eventfd(0, EFD_CLOEXEC));
    rv_group g;

    NOT_IN_SIM("real descriptors: eventfds");
    CHECK_EQ(rv_write(fd, &most, sizeof most), 8);
    CHECK_EQ(WITHIN(A_MOMENT, rv_write(fd, &one, sizeof one)), -ETIMEDOUT);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, make_room, &fd);
    CHECK_EQ(rv_write(fd, &one, sizeof one), 8);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    return rv_close(fd);
}

TEST_TASK(hazard_50_a_timerfd_is_waited_for_and_keeps_its_flags)
{
    const struct itimerspec soon = {.it_value = {.tv_nsec = 2 * RV_MS}};
    uint64_t ticks;

    NOT_IN_SIM("real descriptors: timerfds");
    for (int flag = 0; flag <= O_NONBLOCK; flag += O_NONBLOCK) {
        int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | flag));

        CHECK_EQ(WITHIN(A_MOMENT, rv_read(fd, &ticks, sizeof ticks)), -ETIMEDOUT);
        for (int round = 0; round < 3; round++) {
            MUST(timerfd_settime(fd, 0, &soon, NULL));
            CHECK_EQ(WITHIN(LONG, rv_read(fd, &ticks, sizeof ticks)), 8);
            CHECK_EQ(ticks, 1);
        }
        CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | flag);
        CHECK_EQ(rv_close(fd), 0);
    }
    return 0;
}

TEST_TASK(hazard_50_a_terminal_is_read_by_lines_and_keeps_its_flags)
{
    int outside, inside;

    NOT_IN_SIM("real descriptors: terminals");
    MUST(openpty(&outside, &inside, NULL, NULL, NULL));
    check_both_ways(inside, outside, "a line\n", 7);
    CHECK_EQ(rv_close(inside), 0);
    return rv_close(outside);
}

TEST_TASK(devices_that_never_wait_answer_at_once)
{
    char buf[64] = "not zero";
    int null = rv_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
    int zero = rv_openat(AT_FDCWD, "/dev/zero", O_RDWR, 0);

    CHECK_EQ(rv_read(null, buf, sizeof buf), 0);
    CHECK_EQ(rv_write(null, buf, sizeof buf), sizeof buf);
    CHECK_EQ(rv_read(zero, buf, sizeof buf), sizeof buf);
    CHECK_EQ(buf[0], 0);
    CHECK_EQ(rv_write(zero, buf, sizeof buf), sizeof buf);
    CHECK_EQ(rv_read_full(zero, buf, sizeof buf), sizeof buf);
    CHECK_EQ(rv_poll(null, POLLIN | POLLOUT), POLLIN | POLLOUT);
    CHECK_EQ(rv_close(null), 0);
    return rv_close(zero);
}

static int hang_up(void *arg)
{
    int err = rv_sleep(RV_MS);

    return err < 0 ? err : rv_close(*(int *)arg);
}

TEST_TASK(a_read_ends_when_the_last_writer_closes)
{
    char byte;
    int p[2];
    rv_group g;

    MUST(rv_pipe(p, 0));
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, hang_up, &p[1]);
    CHECK_EQ(rv_read(p[0], &byte, 1), 0);
    CHECK_EQ(rv_read(p[0], &byte, 1), 0);
    CHECK_EQ(rv_poll(p[0], POLLIN), POLLHUP);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    return rv_close(p[0]);
}

TEST_TASK(a_write_that_waits_for_room_fails_when_the_last_reader_closes)
{
    char buf[4096] = {0};
    int p[2];
    rv_group g;

    MUST(rv_pipe(p, 0));
    while (WITHIN(A_MOMENT, rv_poll(p[1], POLLOUT)) > 0)
        CHECK(rv_write(p[1], buf, sizeof buf) > 0);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, hang_up, &p[0]);
    CHECK_EQ(rv_write(p[1], buf, sizeof buf), -EPIPE);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    return rv_close(p[1]);
}

static int pour(void *arg)
{
    int fd = *(int *)arg;
    char buf[3000];
    unsigned next = 0;

    for (int i = 0; i < 500; i++) {
        for (size_t j = 0; j < sizeof buf; j++)
            buf[j] = (char)(next++ % 251);
        CHECK_EQ(rv_write_all(fd, buf, sizeof buf), 0);
    }
    return rv_close(fd);
}

TEST_TASK(more_than_a_pipe_holds_goes_through_in_order)
{
    char buf[1777];
    int p[2];
    unsigned next = 0, wrong = 0;
    ssize_t n;
    rv_group g;

    MUST(rv_pipe(p, 0));
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, pour, &p[1]);
    while ((n = rv_read(p[0], buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++)
            wrong += buf[i] != (char)(next++ % 251);
    CHECK_EQ(n, 0);
    CHECK_EQ(next, 500 * 3000);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    return rv_close(p[0]);
}

/* ---- polling ---- */

TEST_TASK(waiting_for_one_thing_does_not_hide_another)
{
    char buf[16];
    int fds[2];

    tcp_pair(fds);
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(fds[1], buf, sizeof buf)), -ETIMEDOUT);
    CHECK_EQ(rv_write(fds[0], "data", 4), 4);
    CHECK_EQ(WITHIN(A_MOMENT, rv_poll(fds[1], POLLPRI)), -ETIMEDOUT);
    CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, 2)), 2);
    CHECK_EQ(WITHIN(A_MOMENT, rv_poll(fds[1], POLLRDHUP)), -ETIMEDOUT);
    CHECK_EQ(WITHIN(A_MOMENT, rv_poll(fds[1], 0)), -ETIMEDOUT);
    CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, 2)), 2);
    close_both(fds);
    return 0;
}

TEST_TASK(poll_says_what_is_there_and_waits_for_what_is_not)
{
    char byte;
    int fds[2];
    rv_group g;

    tcp_pair(fds);
    CHECK_EQ(rv_poll(fds[1], POLLOUT), POLLOUT);
    CHECK_EQ(rv_poll(fds[1], POLLIN | POLLOUT), POLLOUT);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, hang_up, &fds[0]);
    CHECK_EQ(rv_poll(fds[1], POLLRDHUP), POLLRDHUP);
    CHECK_EQ(rv_poll(fds[1], POLLIN), POLLIN);
    CHECK_EQ(rv_read(fds[1], &byte, 1), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(fds[1]), 0);
    CHECK_EQ(rv_poll(fds[1], POLLIN), -EBADF);
    CHECK_EQ(rv_poll(-1, POLLIN), -EBADF);
    CHECK_EQ(rv_poll(1 << 30, POLLIN), -EBADF);
    return 0;
}

/* ---- fairness ---- */

static int always_busy(void *arg)
{
    char byte;
    int *fds = arg;

    while (!rv_cancelled()) {
        if (rv_write(fds[0], "x", 1) != 1 || rv_read(fds[1], &byte, 1) != 1)
            break;
    }
    return 0;
}

TEST_TASK(hazard_40_a_busy_connection_starves_neither_a_timer_nor_another_connection)
{
    char byte;
    int busy[2], quiet[2];
    rv_group g;

    tcp_pair(busy);
    tcp_pair(quiet);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, always_busy, busy);
    for (int i = 0; i < 10; i++) {
        rv_time start = rv_now();
        struct act a = {quiet[0], "y", 1};
        rv_group other;

        CHECK_EQ(rv_sleep(RV_MS), 0);
        rv_group_open(&other, rv_after(LONG));
        rv_go(&other, write_later, &a);
        CHECK_EQ(rv_read(quiet[1], &byte, 1), 1);
        CHECK_EQ(rv_group_close(&other, 0), 0);
        CHECK(rv_now() - start < 5 * RV_S);
    }
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    close_both(busy);
    close_both(quiet);
    return 0;
}

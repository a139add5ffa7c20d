/* t_numbers_across.c: a number that comes back, on whichever worker, means the new file on all. */
#include "tests/across.h"

#include <mqueue.h>
#include <sys/eventfd.h>

enum { MESSAGE = 64 };

struct reader {
    int fd;
    unsigned char stamp;
    int strange; /* bytes that belonged to another file */
    long result;
};

/* One call, so that it means one file. */
static int expect_own(void *arg)
{
    struct reader *r = arg;
    unsigned char buf[MESSAGE];
    ssize_t n = r->result = rv_read_full(r->fd, buf, sizeof buf);

    for (ssize_t i = 0; i < n; i++)
        r->strange += buf[i] != r->stamp;
    return 0;
}

static void open_some(uint32_t *dice, int fds[2])
{
    switch (next_random(dice) % 3) {
    case 0:
        connected_pair(AF_UNIX, SOCK_STREAM, fds);
        break;
    case 1:
        tcp_pair(fds);
        break;
    default:
        MUST(rv_pipe(fds, 0));
    }
}

static unsigned any_worker(uint32_t *dice)
{
    return next_random(dice) % WORKERS;
}

struct storm {
    int rounds; /* atomic, as is: */
    int strange;
};

enum { READERS = 3 };

/* What was opened has readers on several workers, which are in the middle of it when it is closed
 * on any. If the other end goes first, they find the end. */
static void meet_and_part(struct storm *s, uint32_t *dice)
{
    const bool end_first = next_random(dice) % 4 == 0;
    const unsigned char stamp = (unsigned char)next_random(dice);
    struct reader readers[READERS];
    int fds[2];
    rv_group g;

    open_some(dice, fds);
    rv_group_open(&g, rv_after(LONG));
    for (int i = 0; i < READERS; i++) {
        unsigned worker = any_worker(dice);

        readers[i] = (struct reader){fds[0], stamp, 0, 1};
        rv_go_on(&g, worker, expect_own, &readers[i]);
        until_waiting(worker, fds[0], 1);
    }
    for (uint32_t i = next_random(dice) % 8; i > 0; i--)
        CHECK_EQ(rv_write(fds[1], &stamp, 1), 1);
    CHECK_EQ(close_on(any_worker(dice), fds[end_first]), 0);
    CHECK_EQ(close_on(any_worker(dice), fds[!end_first]), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    for (int i = 0; i < READERS; i++) {
        __atomic_fetch_add(&s->strange, readers[i].strange, __ATOMIC_RELAXED);
        CHECK(readers[i].result == -EBADF || readers[i].result >= 0);
    }
}

static int weather(void *arg)
{
    struct storm *s = arg;
    uint32_t dice = (uint32_t)rv_id() * 7919;

    while (__atomic_fetch_sub(&s->rounds, 1, __ATOMIC_RELAXED) > 0)
        meet_and_part(s, &dice);
    return 0;
}

TEST_ACROSS(hazard_51_no_byte_strays_in_a_storm_of_closes_and_reuse_across_workers)
{
    struct storm s = {SCALED(1500, 200), 0};
    int before = count_fds();
    rv_group g;

    rv_group_open(&g, rv_after(3 * LONG));
    for (unsigned i = 0; i < 3 * WORKERS; i++)
        rv_go_on(&g, i % WORKERS, weather, &s);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(s.strange, 0);
    CHECK_EQ(count_fds(), before);
    return 0;
}

/* By plain calls, of which nobody hears: the lowest free number, which is mostly one that another
 * worker is just closing. */
static int use_plain_numbers(void *arg)
{
    bool *over = arg;
    char byte;

    while (!__atomic_load_n(over, __ATOMIC_ACQUIRE)) {
        int fd = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

        CHECK_EQ(rv_recv(fd, &byte, 1, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(rv_close(fd), 0);
    }
    return 0;
}

TEST_ACROSS(hazard_51_a_number_that_came_back_before_its_close_was_heard_of_elsewhere_is_good)
{
    bool over = false;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (unsigned i = 1; i < WORKERS; i++)
        rv_go_on(&g, i, use_plain_numbers, &over);
    for (int i = 0; i < SCALED(20000, 1000); i++) {
        int fd = MUST(rv_socket(AF_INET, SOCK_DGRAM, 0));

        CHECK_EQ(rv_close(fd), 0);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    return rv_group_close(&g, 0);
}

/* A message queue is closed by a thread of the kernel's own, and takes its time to be heard of. */
static int use_given_numbers(void *arg)
{
    bool *over = arg;
    char byte;

    while (!__atomic_load_n(over, __ATOMIC_ACQUIRE)) {
        int fd = MUST(rv_socket(AF_INET, SOCK_DGRAM, 0));

        CHECK_EQ(rv_recv(fd, &byte, 1, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(rv_yield(), 0);
        CHECK_EQ(rv_recv(fd, &byte, 1, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(rv_close(fd), 0);
    }
    return 0;
}

TEST_ACROSS(hazard_51_a_number_is_given_to_one_worker_while_another_is_flushing_its_last_file)
{
    bool over = false;
    rv_group g;

#ifdef __SANITIZE_THREAD__
    SKIP("TSan does not see mq_open(2), and takes its number for the last file");
#endif
    rv_group_open(&g, RV_NEVER);
    for (unsigned i = 0; i < WORKERS; i++)
        rv_go_on(&g, i, use_given_numbers, &over);
    for (int i = 0; i < SCALED(4000, 400); i++) {
        char name[64];
        int queue;

        snprintf(name, sizeof name, "/reeve-%d", getpid());
        queue = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, NULL);
        mq_unlink(name);
        if (queue < 0)
            SKIP("no message queues here");
        CHECK_EQ(rv_close(queue), 0);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    return rv_group_close(&g, 0);
}

static int make_pair(void *arg)
{
    return rv_socketpair(AF_UNIX, SOCK_STREAM, 0, arg);
}

static void never_drained(struct fd_entry *e)
{
    (void)e;
}

/* As rv_close() does it, with its completion held back. */
TEST_ACROSS(hazard_51_a_number_that_another_worker_was_given_is_good_where_it_was_closed)
{
    struct kernel *k = worker_self->kernel;
    struct fd_entry *e, *again;
    struct fd_users others;
    int fds[2], next[2];
    uint32_t life;

    connected_pair(AF_UNIX, SOCK_STREAM, fds);
    CHECK_EQ(fds_get(k, fds[0], &e), 0);
    life = e->life;
    CHECK_EQ(fds_claim(k, e, &others), 0);
    CHECK_EQ(others.who, 0);
    CHECK(!fds_close_begin(k, e));
    CHECK_EQ(fds_get(k, fds[0], &again), -EBADF);
    fds_close_given(k, e);
    CHECK_EQ(fds_get(k, fds[0], &again), -EBADF); /* it is the old file that was meant here */
    MUST(close(fds[0]));
    CHECK_EQ(rv_on(1, make_pair, next), 0);
    CHECK_EQ(next[0], fds[0]);
    CHECK_EQ(fds_get(k, fds[0], &again), 0);
    CHECK(again == e && e->life != life);
    CHECK(!fds_leave(k, next[1], never_drained, NULL)); /* never used here */
    close_both(next);
    return rv_close(fds[1]);
}

/* ---- closed without rv_close ---- */

static int recv_one(void *arg)
{
    char byte = 0;
    long n = WITHIN(LONG, rv_recv(*(int *)arg, &byte, 1, 0));

    return n == 1 ? byte : (int)n;
}

/* What comes for the number's next file is not for who waited on the last one, on any worker; and
 * the next one can be waited for where the last one was. */
TEST_ACROSS(hazard_49_who_waits_elsewhere_on_a_number_does_not_get_what_comes_for_the_next)
{
    for (unsigned at = 1; at < WORKERS; at++) {
        struct reader r = {.stamp = 1};
        int fds[2], next[2];
        rv_group g;

        connected_pair(AF_UNIX, SOCK_STREAM, fds);
        r.fd = fds[0];
        rv_group_open(&g, rv_after(LONG));
        rv_go_on(&g, at, expect_own, &r);
        until_waiting(at, r.fd, 1);
        close(r.fd);
        MUST(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, next));
        CHECK_EQ(next[0], r.fd);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(r.result, -EBADF);
        CHECK_EQ(rv_write(next[1], "2", 1), 1);
        CHECK_EQ(rv_on(at, recv_one, &next[0]), '2');
        close_both(next);
        CHECK_EQ(rv_close(fds[1]), 0);
    }
    return 0;
}

/* All eventfds have one identity: only the life tells whether the news is old. */
TEST_ACROSS(hazard_49_old_news_of_a_number_wakes_nobody)
{
    struct waiter w = {.fd = MUST(eventfd(0, EFD_CLOEXEC)), .how = POLL};
    struct kernel *k = worker_self->kernel;
    uint32_t life;
    rv_group g;

    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, wait_on, &w);
    until_waiting(0, w.fd, 1);
    life = fd_share_life(k->share, w.fd);
    fds_given_anew(k, w.fd, life - 1);
    CHECK_EQ(count_waits(&w.fd), 1);
    fds_given_anew(k, w.fd, life);
    CHECK_EQ(count_waits(&w.fd), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(w.result, -EBADF);
    return rv_close(w.fd);
}

struct early {
    int fd;
    int phase; /* atomic: 1, the number was tried; 2, it means something */
};

static int try_too_early(void *arg)
{
    struct early *e = arg;
    char byte;

    CHECK_EQ(rv_read(e->fd, &byte, 1), -EBADF);
    __atomic_store_n(&e->phase, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&e->phase, __ATOMIC_ACQUIRE) != 2)
        ; /* what the worker is sent waits meanwhile */
    CHECK_EQ(recv_one(&e->fd), '3');
    return 0;
}

/* The word that the number was given anew comes when that is no news any more. */
TEST_ACROSS(a_number_that_was_tried_before_it_was_opened_is_good_when_it_is)
{
    struct early e;
    int fds[2];
    rv_group g;

    connected_pair(AF_UNIX, SOCK_STREAM, fds);
    e = (struct early){fds[0], 0};
    until_waiting(1, fds[0], 0); /* worker 1 knows numbers like that */
    close_both(fds);
    rv_group_open(&g, rv_after(LONG));
    rv_go_on(&g, 1, try_too_early, &e);
    while (__atomic_load_n(&e.phase, __ATOMIC_ACQUIRE) != 1)
        CHECK_EQ(rv_yield(), 0);
    connected_pair(AF_UNIX, SOCK_STREAM, fds);
    CHECK_EQ(fds[0], e.fd);
    __atomic_store_n(&e.phase, 2, __ATOMIC_RELEASE);
    until_waiting(1, e.fd, 1);
    CHECK_EQ(rv_sleep(5 * RV_MS), 0);
    until_waiting(1, e.fd, 1);
    CHECK_EQ(rv_write(fds[1], "3", 1), 1);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    close_both(fds);
    return 0;
}

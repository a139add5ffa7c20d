/* t_close_across.c: a descriptor that several workers use: closed on one, it is closed on all. */
#include "tests/across.h"

enum { EACH = 3 };

/* On all workers; closed on the last. */
static void close_under(int fd, enum how how)
{
    struct waiter waiters[WORKERS * EACH];
    rv_group g;

    rv_group_open(&g, RV_NEVER); /* no timer: a worker must not take itself for one without hope */
    for (unsigned i = 0; i < WORKERS * EACH; i++) {
        waiters[i] = (struct waiter){fd, how, 1};
        rv_go_on(&g, i % WORKERS, wait_on, &waiters[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        until_waiting(i, fd, EACH);
    CHECK_EQ(close_on(WORKERS - 1, fd), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    for (int i = 0; i < WORKERS * EACH; i++)
        CHECK_EQ(waiters[i].result, -EBADF);
    CHECK(!rv_cancelled());
}

TEST_ACROSS(hazard_51_a_close_ends_every_wait_on_every_worker)
{
    for (int round = 0; round < SCALED(20, 5); round++) {
        for (enum how how = READ; how < ACCEPT; how++) {
            int fds[2];

            tcp_pair(fds);
            close_under(fds[0], how);
            CHECK_EQ(rv_close(fds[1]), 0);
        }
    }
    return 0;
}

/* An operation holds the file: had one outlived the close, there would be one to connect to. */
TEST_ACROSS(hazard_51_a_close_waits_for_the_operations_of_every_worker)
{
    for (int round = 0; round < SCALED(100, 20); round++) {
        struct waiter accepters[WORKERS];
        struct address at;
        int fd = listening(AF_INET, &at), client = MUST(rv_socket(AF_INET, SOCK_STREAM, 0));
        rv_group g;

        rv_group_open(&g, RV_NEVER);
        for (unsigned i = 0; i < WORKERS; i++) {
            accepters[i] = (struct waiter){fd, ACCEPT, 1};
            rv_go_on(&g, i, wait_on, &accepters[i]);
            until_waiting(i, fd, 1);
        }
        CHECK_EQ(rv_close(fd), 0);
        CHECK_EQ(connect(client, address_of(&at), at.len), -1); /* which lets nobody run */
        CHECK_EQ(errno, ECONNREFUSED);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        for (int i = 0; i < WORKERS; i++)
            CHECK_EQ(accepters[i].result, -EBADF);
        CHECK_EQ(rv_close(client), 0);
    }
    return 0;
}

TEST_ACROSS(hazard_51_a_read_in_another_workers_ring_ends_when_its_terminal_is_closed)
{
    close_under(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), READ);
    return 0;
}

/* A watch holds the file as well. */
TEST_ACROSS(hazard_51_the_peer_hears_of_a_close_before_it_is_over)
{
    for (int round = 0; round < SCALED(200, 40); round++) {
        struct waiter w = {.how = READ};
        unsigned at = 1 + (unsigned)round % (WORKERS - 1);
        int fds[2];
        char byte;
        rv_group g;

        connected_pair(AF_UNIX, SOCK_STREAM, fds);
        w.fd = fds[0];
        rv_group_open(&g, rv_after(LONG));
        rv_go_on(&g, at, wait_on, &w);
        until_waiting(at, w.fd, 1);
        rv_cancel(&g.scope); /* what is left is the watch */
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(w.result, -ECANCELED);
        CHECK_EQ(rv_close(fds[0]), 0);
        CHECK_EQ(recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);
        CHECK_EQ(rv_close(fds[1]), 0);
    }
    return 0;
}

TEST_ACROSS(hazard_24_of_two_closes_on_two_workers_one_is_an_error)
{
    for (int round = 0; round < SCALED(200, 40); round++) {
        struct waiter accepter = {.how = ACCEPT};
        struct closing closes[WORKERS];
        struct address at;
        int zeros = 0;
        rv_group g;

        accepter.fd = listening(AF_INET, &at);
        rv_group_open(&g, rv_after(LONG));
        rv_go_on(&g, 1, wait_on, &accepter);
        until_waiting(1, accepter.fd, 1);
        for (unsigned i = 0; i < WORKERS; i++) {
            closes[i] = (struct closing){accepter.fd, 1};
            until_waiting(i, accepter.fd, 0); /* else fstat(2) is first, a race in TSan's eyes */
        }
        for (unsigned i = 0; i < WORKERS; i++)
            rv_go_on(&g, i, close_it, &closes[i]);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        for (int i = 0; i < WORKERS; i++) {
            zeros += closes[i].result == 0;
            CHECK(closes[i].result == 0 || closes[i].result == -EBADF);
        }
        CHECK_EQ(zeros, 1);
        CHECK_EQ(accepter.result, -EBADF);
    }
    return 0;
}

TEST_ACROSS(a_close_that_goes_round_is_not_cancelled)
{
    struct waiter w = {.how = READ};
    int fds[2];
    rv_group g;
    rv_scope s;

    tcp_pair(fds);
    w.fd = fds[0];
    rv_group_open(&g, rv_after(LONG));
    rv_go_on(&g, 2, wait_on, &w);
    until_waiting(2, w.fd, 1);
    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    CHECK_EQ(rv_close(fds[0]), 0);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    CHECK_EQ(fcntl(fds[0], F_GETFD), -1);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(w.result, -EBADF);
    return rv_close(fds[1]);
}

/* ---- and nobody else is asked ---- */

static int keep_worker(void *arg)
{
    bool *over = arg;

    while (!__atomic_load_n(over, __ATOMIC_ACQUIRE))
        ;
    return 0;
}

TEST_ACROSS(a_close_waits_for_no_worker_that_did_not_use_the_number)
{
    bool over = false;
    char byte = 1;
    int fds[2];
    rv_group g;

    rv_group_open(&g, rv_after(LONG));
    for (unsigned i = 1; i < WORKERS; i++)
        rv_go_on(&g, i, keep_worker, &over);
    connected_pair(AF_UNIX, SOCK_STREAM, fds);
    CHECK_EQ(rv_write(fds[1], &byte, 1), 1);
    CHECK_EQ(rv_read(fds[0], &byte, 1), 1);
    close_both(fds);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    return rv_group_close(&g, 0);
}

static int share_of_one(void *unused)
{
    (void)unused;
    CHECK(worker_self->kernel->share == NULL);
    return 0;
}

TEST(one_worker_shares_with_nobody_and_has_nothing_for_it)
{
    CHECK_EQ(rv_run(share_of_one, NULL, &(rv_options){.workers = 1}), 0);
}

/* t_close.c: closing while others wait or work, and numbers that come back as other files. */
#include "tests/net.h"

#include <mqueue.h>
#include <sys/eventfd.h>

enum how { READ, RECV, POLL, WRITE, ACCEPT, HOWS };

struct waiter {
    int fd;
    enum how how;
    long result;
};

static int wait_on(void *arg)
{
    static char big[64 * 1024];
    struct waiter *w = arg;
    char byte;

    switch (w->how) {
    case READ:
        w->result = rv_read(w->fd, &byte, 1);
        break;
    case RECV:
        w->result = rv_recv(w->fd, &byte, 1, MSG_WAITALL);
        break;
    case POLL:
        w->result = rv_poll(w->fd, POLLIN);
        break;
    case WRITE:
        do
            w->result = rv_write(w->fd, big, sizeof big);
        while (w->result > 0);
        break;
    default:
        w->result = rv_accept(w->fd, NULL, NULL);
    }
    return 0;
}

TEST_TASK(hazard_23_a_close_ends_every_wait_on_the_descriptor)
{
    for (enum how how = READ; how < HOWS; how++) {
        struct waiter waiters[5];
        struct address at;
        int fds[2];
        rv_group g;

        tcp_pair(fds);
        if (how == ACCEPT) {
            CHECK_EQ(rv_close(fds[0]), 0);
            fds[0] = listening(AF_INET, &at);
        }
        rv_group_open(&g, rv_after(LONG));
        for (int i = 0; i < 5; i++) {
            waiters[i] = (struct waiter){fds[0], how, 1};
            rv_go(&g, wait_on, &waiters[i]);
        }
        CHECK_EQ(rv_sleep(5 * RV_MS), 0);
        CHECK_EQ(rv_close(fds[0]), 0);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(waiters[i].result, -EBADF);
        CHECK_EQ(rv_close(fds[1]), 0);
    }
    return 0;
}

TEST_TASK(hazard_23_a_read_in_the_ring_ends_when_its_terminal_is_closed)
{
    struct waiter w = {posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), READ, 1};
    rv_group g;

    NOT_IN_SIM("real descriptors: terminals");
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, wait_on, &w);
    CHECK_EQ(rv_sleep(5 * RV_MS), 0);
    CHECK_EQ(rv_close(w.fd), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(w.result, -EBADF);
    return 0;
}

TEST_TASK(a_close_is_not_cancelled)
{
    char byte;
    int fds[2];
    rv_scope s;

    tcp_pair(fds);
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(fds[0], &byte, 1)), -ETIMEDOUT);
    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    CHECK_EQ(rv_close(fds[0]), 0);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    CHECK_EQ(fcntl(fds[0], F_GETFD), -1);
    CHECK_EQ(rv_poll(fds[0], POLLIN), -EBADF);
    return rv_close(fds[1]);
}

TEST_TASK(the_peer_hears_of_a_close_though_the_descriptor_was_watched)
{
    char byte;
    int fds[2];

    tcp_pair(fds);
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(fds[0], &byte, 1)), -ETIMEDOUT);
    CHECK_EQ(rv_close(fds[0]), 0);
    CHECK_EQ(WITHIN(LONG, rv_read(fds[1], &byte, 1)), 0);
    return rv_close(fds[1]);
}

static int close_it(void *arg)
{
    struct waiter *w = arg;

    w->result = rv_close(w->fd);
    return 0;
}

TEST_TASK(hazard_24_the_second_close_is_an_error_and_closes_nothing)
{
    struct waiter first, second, accepter;
    struct address at;
    int fds[2];
    rv_group g;

    tcp_pair(fds);
    CHECK_EQ(rv_close(fds[0]), 0);
    CHECK_EQ(rv_close(fds[0]), -EBADF);
    CHECK_EQ(rv_close(-1), -EBADF);
    CHECK_EQ(rv_close(1 << 30), -EBADF);
    CHECK_EQ(rv_close(fds[1]), 0);

    accepter =
        (struct waiter){listening(AF_INET, &at), ACCEPT, 1}; /* so that the close must drain */
    first = second = (struct waiter){accepter.fd, 0, 1};
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, wait_on, &accepter);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    rv_go(&g, close_it, &first);
    rv_go(&g, close_it, &second);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(accepter.result, -EBADF);
    CHECK_EQ(first.result + second.result, -EBADF);
    return 0;
}

/* ---- numbers that come back ---- */

static int read_one(void *arg)
{
    struct waiter *w = arg;
    char byte;

    w->result = rv_read(w->fd, &byte, 1);
    return 0;
}

/* Many tasks that take turns, so that it is long from a wake-up to the run. */
struct crowd {
    struct waiter reader;
    int peer, stranger;
    int resumes;
    enum { GATHER, WAKE, CLOSE, REPLACE, DISPERSE } phase;
};

enum { CROWD = 1500 };

/* The reader is woken; while it is still far back in the queue, its descriptor is closed, and
 * the number given to a stranger that has bytes to read. */
static int mill_about(void *arg)
{
    struct crowd *c = arg;

    while (c->phase != DISPERSE) {
        c->resumes++;
        if (c->phase == GATHER && c->resumes > 2 * CROWD) {
            MUST(write(c->peer, "1", 1));
            c->phase = WAKE;
            c->resumes = 0;
        } else if (c->phase == WAKE && c->resumes > 300) {
            c->phase = CLOSE;
            CHECK_EQ(rv_close(c->reader.fd), 0);
        } else if (c->phase == CLOSE && fcntl(c->reader.fd, F_GETFD) < 0) {
            MUST(dup2(c->stranger, c->reader.fd));
            CHECK_EQ(c->reader.result, 99); /* or the test is none */
            c->phase = REPLACE;
            c->resumes = 0;
        } else if (c->phase == REPLACE && c->resumes > 2 * CROWD) {
            c->phase = DISPERSE;
        }
        CHECK_EQ(rv_yield(), 0);
    }
    return 0;
}

TEST_TASK(hazard_23_a_read_that_was_woken_keeps_its_hands_off_the_numbers_next_file)
{
    struct crowd c = {.phase = GATHER};
    int fds[2], strangers[2];
    rv_group g;

    NOT_IN_SIM("real descriptors: replaced by dup2(2)");
    tcp_pair(fds);
    connected_pair(AF_UNIX, SOCK_STREAM, strangers);
    c.reader = (struct waiter){fds[0], READ, 99};
    c.peer = fds[1];
    c.stranger = strangers[0];
    MUST(write(strangers[1], "stranger", 8));
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, read_one, &c.reader);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    for (int i = 0; i < CROWD; i++)
        rv_go(&g, mill_about, &c);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(c.reader.result, -EBADF);
    return 0;
}

struct churn {
    int rounds;
    int strange; /* bytes that belonged to another connection */
};

struct meeting {
    struct churn *churn;
    int fd;
    unsigned char stamp;
};

static int expect_own(void *arg)
{
    struct meeting *m = arg;
    unsigned char buf[8];
    ssize_t n;

    while ((n = rv_read(m->fd, buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++)
            m->churn->strange += buf[i] != m->stamp;
    CHECK(n == -EBADF || n == 0);
    return 0;
}

/* A connection whose reader has it closed under its hands, many times over. */
static int meet_and_part(void *arg)
{
    struct churn *c = arg;
    uint32_t dice = (uint32_t)rv_id() * 7919;

    while (c->rounds-- > 0) {
        struct meeting m = {c, 0, (unsigned char)(next_random(&dice) | 1)};
        int fds[2];
        rv_group g;

        connected_pair(next_random(&dice) % 2 ? AF_UNIX : AF_INET, SOCK_STREAM, fds);
        m.fd = fds[0];
        rv_group_open(&g, rv_after(LONG));
        for (int i = 0; i < 2; i++)
            rv_go(&g, expect_own, &m);
        for (uint32_t i = next_random(&dice) % 4; i > 0; i--) {
            CHECK_EQ(rv_write(fds[1], (unsigned char[]){m.stamp, m.stamp, m.stamp}, 3), 3);
            if (next_random(&dice) % 2)
                CHECK_EQ(rv_yield(), 0);
        }
        close_both(fds);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST_TASK(hazard_23_no_byte_strays_in_a_storm_of_closes_and_reuse)
{
    struct churn c = {SCALED(3000, 500), 0};
    int before = count_fds();
    rv_group g;

    rv_group_open(&g, rv_after(3 * LONG));
    for (int i = 0; i < 16; i++)
        rv_go(&g, meet_and_part, &c);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(c.strange, 0);
    CHECK_EQ(count_fds(), before);
    return 0;
}

/* A message queue has something to flush, so that the kernel closes it from a thread of its own:
 * the number may be taken again before we hear that it is free. */
static int use_numbers(void *arg)
{
    bool *over = arg;
    char byte;

    while (!*over) {
        int fds[2];

        fds[0] = rv_socket(AF_INET, SOCK_DGRAM, 0);
        CHECK(fds[0] >= 0);
        CHECK_EQ(rv_recv(fds[0], &byte, 1, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(rv_yield(), 0);
        CHECK_EQ(rv_recv(fds[0], &byte, 1, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(rv_close(fds[0]), 0);
    }
    return 0;
}

TEST_TASK(hazard_23_a_number_that_came_back_before_its_close_was_heard_of_is_good)
{
    bool over = false;
    rv_group g;

    NOT_IN_SIM("real descriptors: message queues");
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 4; i++)
        rv_go(&g, use_numbers, &over);
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
    over = true;
    return rv_group_close(&g, 0);
}

/* ---- closed without rv_close ---- */

struct raw {
    int fd;
    int next; /* takes its place; -1: nothing does */
};

static int close_raw(void *arg)
{
    struct raw *r = arg;
    int err = rv_sleep(RV_MS);

    if (r->next < 0)
        close(r->fd);
    else
        MUST(dup2(r->next, r->fd));
    return err;
}

TEST_TASK(hazard_49_a_wait_on_a_number_closed_behind_our_back_ends)
{
    char buf[8];

    NOT_IN_SIM("real descriptors: closed behind our back");
    for (int replaced = 0; replaced < 2; replaced++) {
        int fds[2], next[2];
        struct raw r;
        rv_time start = rv_now();
        rv_group g;

        tcp_pair(fds);
        connected_pair(AF_UNIX, SOCK_STREAM, next);
        MUST(write(next[1], "new", 3));
        r = (struct raw){fds[1], replaced ? next[0] : -1};
        rv_group_open(&g, rv_after(LONG));
        rv_go(&g, close_raw, &r);
        CHECK_EQ(rv_read(fds[1], buf, sizeof buf), replaced ? 3 : -EBADF);
        CHECK(rv_now() - start < 5 * RV_S);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST_TASK(hazard_49_an_eventfd_that_replaced_another_is_the_one_that_is_waited_for)
{
    NOT_IN_SIM("real descriptors: closed behind our back");
    for (int replaced = 0; replaced < 2; replaced++) {
        uint64_t count = 0;
        int fd = MUST(eventfd(0, EFD_CLOEXEC));
        struct raw r = {fd, replaced ? MUST(eventfd(5, EFD_CLOEXEC)) : -1};
        rv_group g;

        rv_group_open(&g, rv_after(LONG));
        rv_go(&g, close_raw, &r);
        CHECK_EQ(rv_read(fd, &count, sizeof count), replaced ? 8 : -EBADF);
        CHECK_EQ(count, replaced ? 5 : 0);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST_TASK(hazard_49_a_file_where_a_pipe_was_is_read_as_a_file)
{
    char buf[16], path[] = "/tmp/reeve-XXXXXX";
    int file = MUST(mkstemp(path)), p[2];

    NOT_IN_SIM("real descriptors: closed behind our back");
    unlink(path);
    MUST(write(file, "in the file", 11));
    MUST(fsync(file));
    MUST(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
    MUST(lseek(file, 0, SEEK_SET));
    MUST(pipe2(p, O_CLOEXEC));
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(p[0], buf, sizeof buf)), -ETIMEDOUT);
    MUST(dup2(file, p[0]));
    CHECK_EQ(WITHIN(LONG, rv_read(p[0], buf, sizeof buf)), 11);
    close_both(p);
    return rv_close(file);
}

TEST_TASK(hazard_49_the_dump_lists_what_is_watched_and_gone)
{
    char text[8192] = "", path[] = "/tmp/reeve-XXXXXX", byte;
    int out = MUST(mkstemp(path)), fds[2];

    NOT_IN_SIM("real descriptors: closed behind our back");
    unlink(path);
    tcp_pair(fds);
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(fds[1], &byte, 1)), -ETIMEDOUT);
    rv_dump(out);
    CHECK(pread(out, text, sizeof text - 1, 0) > 0);
    CHECK(strstr(text, "closed without rv_close") == NULL);
    close(fds[1]);
    MUST(ftruncate(out, 0));
    MUST(lseek(out, 0, SEEK_SET));
    rv_dump(out);
    CHECK(pread(out, text, sizeof text - 1, 0) > 0);
    CHECK(strstr(text, "closed without rv_close") != NULL);
    CHECK_EQ(rv_close(fds[0]), 0);
    return rv_close(out);
}

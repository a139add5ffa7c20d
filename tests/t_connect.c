/* t_connect.c: accept and connect: what they return, refuse, wait for; what a cancel leaves. */
#include "tests/net.h"

#include <pthread.h>
#include <sys/resource.h>

static int accept_one(void *arg)
{
    struct address from = {.len = sizeof from.at};
    int fd = rv_accept(*(int *)arg, address_of(&from), &from.len);

    if (fd < 0)
        return fd;
    CHECK(from.len > 0);
    CHECK(in_sim() || fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(in_sim() || (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    CHECK_EQ(rv_write_all(fd, "welcome", 7), 0);
    return rv_close(fd);
}

static void meet(int family, int flags)
{
    char buf[16];
    struct address at;
    rv_group g;
    int listener = bound(family, SOCK_STREAM | flags, &at);
    int fd = rv_socket(family, SOCK_STREAM | flags, 0);

    MUST(rv_listen(listener, 8));
    CHECK(in_sim() || fcntl(fd, F_GETFD) & FD_CLOEXEC);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, accept_one, &listener);
    CHECK_EQ(rv_sleep(RV_MS), 0); /* the accept waits before anybody comes */
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), 0);
    CHECK_EQ(rv_read_full(fd, buf, sizeof buf), 7);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK(in_sim() || fcntl(listener, F_GETFL) == (O_RDWR | (flags ? O_NONBLOCK : 0)));
    CHECK_EQ(rv_close(fd), 0);
    CHECK_EQ(rv_close(listener), 0);
}

TEST_TASK(a_client_and_a_server_meet_on_every_family)
{
    const int families[] = {AF_INET, AF_UNIX, AF_INET6};

    for (int i = 0; i < 2 + have_ip6(); i++)
        meet(families[i], 0);
    return 0;
}

TEST_TASK(sockets_that_the_user_made_non_blocking_wait_all_the_same)
{
    const int families[] = {AF_INET, AF_UNIX, AF_INET6};

    for (int i = 0; i < 2 + have_ip6(); i++)
        meet(families[i], SOCK_NONBLOCK);
    return 0;
}

TEST_TASK(connect_says_what_is_wrong)
{
    struct address at, gone;
    int listener = listening(AF_INET, &at), fd, fds[2];

    fd = bound(AF_INET, SOCK_STREAM, &gone);
    CHECK_EQ(rv_close(fd), 0); /* a port that nobody listens on */
    fd = rv_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(rv_connect(fd, address_of(&gone), gone.len), -ECONNREFUSED);
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), 0);
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), -EISCONN);
    CHECK_EQ(rv_close(fd), 0);

    fd = rv_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(rv_connect(fd, NULL, sizeof at.at), -EFAULT);
    CHECK_EQ(rv_connect(fd, address_of(&at), 1), -EINVAL);
    CHECK_EQ(rv_connect(fd, address_of(&at), UINT32_MAX), -EINVAL);
    CHECK_EQ(rv_connect(-1, address_of(&at), at.len), -EBADF);
    CHECK_EQ(rv_connect(1 << 30, address_of(&at), at.len), -EBADF);
    CHECK_EQ(rv_close(fd), 0);
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), -EBADF);

    MUST(rv_pipe(fds, 0));
    CHECK_EQ(rv_connect(fds[0], address_of(&at), at.len), -ENOTSOCK);
    close_both(fds);
    CHECK_EQ(rv_socket(-1, SOCK_STREAM, 0), -EAFNOSUPPORT);
    return rv_close(listener);
}

TEST_TASK(accept_says_what_is_wrong)
{
    struct address at;
    int listener = listening(AF_INET, &at), fd, fds[2];
    socklen_t len = sizeof at.at;

    fd = rv_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(rv_accept(fd, NULL, NULL), -EINVAL); /* it does not listen */
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), 0);
    CHECK_EQ(rv_accept(listener, address_of(&at), NULL), -EFAULT);
    CHECK_EQ(rv_accept(-1, NULL, NULL), -EBADF);
    CHECK_EQ(rv_accept(1 << 30, address_of(&at), &len), -EBADF);
    MUST(rv_pipe(fds, 0));
    CHECK_EQ(rv_accept(fds[0], NULL, NULL), -ENOTSOCK);
    close_both(fds);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(listener);
}

static int shut_listener(void *arg)
{
    int err = rv_sleep(RV_MS);

    return err < 0 ? err : rv_shutdown(*(int *)arg, SHUT_RDWR);
}

TEST_TASK(shutting_a_listener_ends_an_accept_that_waits)
{
    struct address at;
    int listener = listening(AF_INET, &at);
    rv_group g;

    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, shut_listener, &listener);
    CHECK_EQ(rv_accept(listener, NULL, NULL), -EINVAL);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    return rv_close(listener);
}

/* A unix listener whose backlog has no room left; the sockets that fill it. */
static int full_backlog(struct address *at, int fillers[4])
{
    int listener = bound(AF_UNIX, SOCK_STREAM, at), full = 0;

    MUST(rv_listen(listener, 0));
    for (int i = 0; i < 4; i++) {
        fillers[i] = MUST(rv_socket(AF_UNIX, SOCK_STREAM, 0));
        full += WITHIN(A_MOMENT, rv_connect(fillers[i], address_of(at), at->len)) == -ETIMEDOUT;
    }
    CHECK(full > 0);
    return listener;
}

static int accept_later(void *arg)
{
    int err = rv_sleep(10 * RV_MS), fd = err < 0 ? err : rv_accept(*(int *)arg, NULL, NULL);

    return fd < 0 ? fd : rv_close(fd);
}

TEST_TASK(connect_to_a_full_unix_backlog_waits_for_room_and_can_be_cancelled)
{
    struct address at;
    int fillers[4], listener = full_backlog(&at, fillers), fd = rv_socket(AF_UNIX, SOCK_STREAM, 0);
    rv_group g;

    CHECK_EQ(WITHIN(A_MOMENT, rv_connect(fd, address_of(&at), at.len)), -ETIMEDOUT);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, accept_later, &listener);
    rv_go(&g, accept_later, &listener);
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(rv_close(fillers[i]), 0);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(listener);
}

/* Loopback drops the SYNs to a full listener, so that a connect to it waits. */
TEST_TASK(a_tcp_connect_that_nobody_answers_can_be_cancelled)
{
    struct address at;
    int listener = bound(AF_INET, SOCK_STREAM, &at), fds[4];
    long got = 0;

    MUST(rv_listen(listener, 0));
    for (int i = 0; i < 4; i++) {
        fds[i] = rv_socket(AF_INET, SOCK_STREAM, 0);
        got = WITHIN(A_MOMENT, rv_connect(fds[i], address_of(&at), at.len));
        CHECK(got == 0 || got == -ETIMEDOUT);
    }
    CHECK_EQ(got, -ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(rv_close(fds[i]), 0);
    return rv_close(listener);
}

/* ---- the result wins ---- */

struct door {
    struct address at;
    int listener;
    rv_scope *guest;
    int stay;
};

/* Lets a client come and cancels who waits for it, in the same pass where the world has a call that
 * connects without one. */
static int knock_and_cancel(void *arg)
{
    struct door *d = arg;
    int err = rv_sleep(RV_MS);

    d->stay = MUST(rv_socket(AF_INET, SOCK_STREAM, 0));
    MUST(in_sim() ? rv_connect(d->stay, address_of(&d->at), d->at.len)
                  : connect(d->stay, address_of(&d->at), d->at.len));
    rv_cancel(d->guest);
    return err;
}

TEST_TASK(an_accept_that_was_done_when_the_cancel_came_returns_its_socket)
{
    struct door d;
    rv_scope s;
    rv_group g;
    int fd;

    d.listener = listening(AF_INET, &d.at);
    d.guest = &s;
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, knock_and_cancel, &d);
    rv_scope_open(&s, RV_NEVER);
    fd = rv_accept(d.listener, NULL, NULL);
    CHECK(fd >= 0 || fd == -ECANCELED);
    CHECK_EQ(rv_yield(), -ECANCELED); /* and the next call hears of the cancel */
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), 0);
    if (fd < 0) /* then it is still there for the next one */
        fd = rv_accept(d.listener, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(fd), 0);
    CHECK_EQ(rv_close(d.stay), 0);
    return rv_close(d.listener);
}

struct storm {
    struct address at;
    int listener;
    int came, accepted;
};

static int accept_in_haste(void *arg)
{
    struct storm *s = arg;
    uint32_t dice = (uint32_t)rv_id();

    while (s->accepted < s->came || s->came < SCALED(600, 200)) {
        long fd = WITHIN(next_random(&dice) % 200 * RV_US, rv_accept(s->listener, NULL, NULL));

        CHECK(fd >= 0 || fd == -ETIMEDOUT);
        if (fd >= 0) {
            s->accepted++;
            CHECK_EQ(rv_close((int)fd), 0);
        }
    }
    return 0;
}

static int keep_coming(void *arg)
{
    struct storm *s = arg;

    while (s->came < SCALED(600, 200)) {
        int fd = rv_socket(AF_INET, SOCK_STREAM, 0),
            err = rv_connect(fd, address_of(&s->at), s->at.len);

        CHECK_EQ(err, 0);
        s->came += err == 0;
        CHECK_EQ(rv_close(fd), 0);
    }
    return 0;
}

TEST_TASK(hazard_22_no_connection_is_lost_between_accepts_and_deadlines)
{
    struct storm s = {.came = 0};
    int before = count_fds();
    rv_group g;

    s.listener = listening(AF_INET, &s.at);
    rv_group_open(&g, rv_after(LONG));
    for (int i = 0; i < 4; i++)
        rv_go(&g, accept_in_haste, &s);
    rv_go(&g, keep_coming, &s);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(s.accepted, s.came);
    CHECK_EQ(rv_close(s.listener), 0);
    CHECK_EQ(count_fds(), before);
    return 0;
}

enum { VISITS = SCALED(3000, 1000) };

/* From outside: comes again as soon as it was served. */
static void *visit(void *at)
{
    char byte;

    for (int i = 0; i < VISITS; i++) {
        int fd = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

        MUST(connect(fd, at, ((struct address *)at)->len));
        CHECK_EQ(read(fd, &byte, 1), 1);
        close(fd);
    }
    return NULL;
}

TEST_TASK(hazard_39_a_non_blocking_listener_misses_no_connection)
{
    struct address at;
    int listener = listening(AF_UNIX, &at);
    pthread_t visitor;

    NOT_IN_SIM("real threads as peers");
    MUST(fcntl(listener, F_SETFL, O_NONBLOCK));
    pthread_create(&visitor, NULL, visit, &at);
    for (int i = 0; i < VISITS; i++) {
        long fd = WITHIN(LONG, rv_accept(listener, NULL, NULL));

        CHECK(fd >= 0);
        if (fd < 0)
            _exit(1);
        MUST(write((int)fd, "!", 1));
        CHECK_EQ(rv_close((int)fd), 0);
    }
    pthread_join(visitor, NULL);
    return rv_close(listener);
}

TEST_TASK(hazard_41_running_out_of_descriptors_is_an_error_that_passes)
{
    struct address at;
    int listener = listening(AF_INET, &at), client = rv_socket(AF_INET, SOCK_STREAM, 0), spare, fd;
    struct rlimit few;

    NOT_IN_SIM("real limits: RLIMIT_NOFILE");
    CHECK_EQ(rv_connect(client, address_of(&at), at.len), 0);
    spare =
        MUST(fcntl(listener, F_DUPFD_CLOEXEC, 0)); /* the lowest free number: all below are taken */
    getrlimit(RLIMIT_NOFILE, &few);
    few.rlim_cur = (rlim_t)spare + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    CHECK_EQ(rv_accept(listener, NULL, NULL), -EMFILE);
    CHECK_EQ(rv_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
    CHECK_EQ(rv_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0), -EMFILE);
    CHECK_EQ(rv_close(spare), 0);
    fd = rv_accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_EQ(rv_close(fd), 0);
    CHECK_EQ(rv_close(client), 0);
    return rv_close(listener);
}

/* t_epoll_helpers.c: calls that helpers make for tasks: nobody who is faster leaves one hanging,
 * nobody who is slow keeps the others waiting, and what is said of a deadline is true.
 */
// LINK: -Wl,--wrap=accept4,--wrap=read
#include "tests/net.h"

#include <pthread.h>
#include <sys/stat.h>

#include "sched/worker.h"

__attribute__((constructor)) static void on_epoll(void)
{
    setenv("REEVE_BACKEND", "epoll", 1);
}

/* ---- others at the same file, who do not ask us ---- */

enum { VISITS = SCALED(1500, 300) };

struct door {
    struct address at;
    int listener;
    int taken; /* by tasks and by the thief */
    bool closed;
};

/* Accepts as well, and is done with each at once. */
static void *steal_visitors(void *arg)
{
    struct door *d = arg;
    struct pollfd p = {.fd = d->listener, .events = POLLIN};

    while (!__atomic_load_n(&d->closed, __ATOMIC_SEQ_CST)) {
        int fd = poll(&p, 1, 1) > 0 ? accept4(d->listener, NULL, NULL, SOCK_CLOEXEC) : -1;

        if (fd < 0)
            continue;
        __atomic_add_fetch(&d->taken, 1, __ATOMIC_SEQ_CST);
        close(fd);
    }
    return NULL;
}

static void *visit(void *arg)
{
    struct door *d = arg;
    char byte;

    for (int i = 0; i < VISITS; i++) {
        int fd = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

        MUST(connect(fd, address_of(&d->at), d->at.len));
        CHECK_EQ(read(fd, &byte, 1), 0); /* until it was accepted and closed */
        close(fd);
    }
    return NULL;
}

static int accept_them(void *arg)
{
    struct door *d = arg;

    while (__atomic_load_n(&d->taken, __ATOMIC_SEQ_CST) < VISITS) {
        long fd = WITHIN(50 * RV_MS, rv_accept(d->listener, NULL, NULL));

        CHECK(fd >= 0 || fd == -ETIMEDOUT);
        if (fd < 0)
            continue;
        __atomic_add_fetch(&d->taken, 1, __ATOMIC_SEQ_CST);
        CHECK_EQ(rv_close((int)fd), 0);
    }
    return 0;
}

TEST_TASK(hazard_39_a_listener_that_others_accept_from_as_well_keeps_nobody_hanging)
{
    struct door d = {.taken = 0};
    pthread_t thief, visitor;
    rv_group g;

    d.listener = listening(AF_UNIX, &d.at);
    pthread_create(&thief, NULL, steal_visitors, &d);
    pthread_create(&visitor, NULL, visit, &d);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, accept_them, &d);
    rv_go(&g, accept_them, &d);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(d.taken, VISITS);
    pthread_join(visitor, NULL);
    __atomic_store_n(&d.closed, true, __ATOMIC_SEQ_CST);
    MUST(shutdown(d.listener, SHUT_RDWR)); /* if it sits in its accept */
    pthread_join(thief, NULL);
    return rv_close(d.listener);
}

struct terminal {
    int master, slave;
    uint64_t written, read, stolen;
    bool over;
};

static void *steal_bytes(void *arg)
{
    struct terminal *t = arg;
    struct pollfd p = {.fd = t->slave, .events = POLLIN};
    char buf[16];

    while (!__atomic_load_n(&t->over, __ATOMIC_SEQ_CST))
        if (poll(&p, 1, 1) > 0) {
            ssize_t n = read(t->slave, buf, sizeof buf);

            __atomic_add_fetch(&t->stolen, n > 0 ? (uint64_t)n : 0, __ATOMIC_SEQ_CST);
        }
    return NULL;
}

static void open_terminal(struct terminal *t)
{
    t->master = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    MUST(grantpt(t->master));
    MUST(unlockpt(t->master));
    t->slave = MUST(open(ptsname(t->master), O_RDWR | O_NOCTTY | O_CLOEXEC));
}

static int read_some(void *arg)
{
    struct terminal *t = arg;
    char buf[16];

    while (!__atomic_load_n(&t->over, __ATOMIC_SEQ_CST)) {
        long n = WITHIN(5 * RV_MS, rv_read(t->slave, buf, sizeof buf));

        CHECK(n > 0 || n == -ETIMEDOUT);
        t->read += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

TEST_TASK(hazard_19_a_terminal_that_others_read_as_well_loses_no_byte)
{
    struct terminal t = {.read = 0};
    rv_time give_up = rv_after(LONG);
    pthread_t thief;
    rv_group g;

    open_terminal(&t);
    pthread_create(&thief, NULL, steal_bytes, &t);
    rv_group_open(&g, rv_after(2 * LONG));
    rv_go(&g, read_some, &t);
    rv_go(&g, read_some, &t);
    for (int i = 0; i < SCALED(1000, 200); i++) {
        CHECK_EQ(rv_write(t.master, "0123456\n", 8), 8);
        t.written += 8;
        CHECK_EQ(rv_sleep(100 * RV_US), 0);
    }
    while (t.read + __atomic_load_n(&t.stolen, __ATOMIC_SEQ_CST) < t.written && rv_now() < give_up)
        CHECK_EQ(rv_sleep(RV_MS), 0);
    __atomic_store_n(&t.over, true, __ATOMIC_SEQ_CST);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_write(t.master, "!\n", 2), 2); /* if the thief sits in its read; no one else does */
    pthread_join(thief, NULL);
    CHECK(t.read + t.stolen == t.written || t.read + t.stolen == t.written + 2);
    CHECK_EQ(rv_close(t.slave), 0);
    return rv_close(t.master);
}

/* The moment between the question whether there is something and the call that takes it. */
static int robbed = -1;

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (fd == __atomic_load_n(&robbed, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&robbed, -1, __ATOMIC_SEQ_CST);
        close(__real_accept4(fd, NULL, NULL, 0));
    }
    return __real_accept4(fd, addr, len, flags);
}

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
    char stolen[64];

    if (fd == __atomic_load_n(&robbed, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&robbed, -1, __ATOMIC_SEQ_CST);
        (void)!__real_read(fd, stolen, sizeof stolen);
    }
    return __real_read(fd, buf, len);
}

static int accept_one(void *arg)
{
    int fd = rv_accept(*(int *)arg, NULL, NULL);

    return fd < 0 ? fd : rv_close(fd);
}

static int read_line(void *arg)
{
    char buf[16];

    return rv_read(*(int *)arg, buf, sizeof buf) == 2 ? 0 : -EIO;
}

/* It waits for readiness again, where there is room for any number. */
static void check_helper_is_back(void)
{
    rv_time give_up = rv_after(LONG);

    while (__atomic_load_n(&robbed, __ATOMIC_SEQ_CST) >= 0 && rv_now() < give_up)
        CHECK_EQ(rv_sleep(RV_MS), 0);
    while (worker_self->kernel->under_way > 0 && rv_now() < give_up)
        CHECK_EQ(rv_sleep(RV_MS), 0);
    CHECK_EQ(worker_self->kernel->under_way, 0);
}

TEST_TASK(a_helper_that_finds_that_another_was_faster_does_not_sit_there)
{
    struct address at;
    int listener = listening(AF_UNIX, &at), first, second;
    struct terminal t;
    rv_group g;

    rv_group_open(&g, rv_after(2 * LONG));
    rv_go(&g, accept_one, &listener);
    __atomic_store_n(&robbed, listener, __ATOMIC_SEQ_CST);
    first = rv_socket(AF_UNIX, SOCK_STREAM, 0);
    second = rv_socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(rv_connect(first, address_of(&at), at.len), 0);
    check_helper_is_back();
    CHECK_EQ(rv_connect(second, address_of(&at), at.len), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(first), 0);
    CHECK_EQ(rv_close(second), 0);

    open_terminal(&t);
    rv_group_open(&g, rv_after(2 * LONG));
    __atomic_store_n(&robbed, t.slave, __ATOMIC_SEQ_CST);
    rv_go(&g, read_line, &t.slave);
    CHECK_EQ(rv_write(t.master, "x\n", 2), 2);
    check_helper_is_back();
    CHECK_EQ(rv_write(t.master, "x\n", 2), 2);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(t.slave), 0);
    CHECK_EQ(rv_close(t.master), 0);
    return rv_close(listener);
}

/* ---- slowness ---- */

static int connect_in_vain(void *arg)
{
    struct address *at = arg;
    int fd = rv_socket(AF_INET, SOCK_STREAM, 0);
    int err = rv_connect(fd, address_of(at), at->len);

    CHECK(err == 0 || err == -ECANCELED);
    return rv_close(fd);
}

/* More of them than there are helpers; loopback drops the SYNs to a full listener. */
TEST_TASK(connections_that_take_their_time_hold_no_helper)
{
    struct address at, door;
    int listener = bound(AF_INET, SOCK_STREAM, &at), unix_listener = listening(AF_UNIX, &door);
    int fd = rv_socket(AF_UNIX, SOCK_STREAM, 0);
    rv_time begin;
    rv_group g;

    MUST(rv_listen(listener, 0));
    rv_group_open(&g, rv_after(LONG));
    for (int i = 0; i < 150; i++)
        rv_go(&g, connect_in_vain, &at);
    CHECK_EQ(rv_sleep(100 * RV_MS), 0);
    begin = rv_now();
    CHECK_EQ(rv_connect(fd, address_of(&door), door.len), 0); /* for which a helper is needed */
    CHECK(rv_now() < begin + 2 * RV_S);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(fd), 0);
    CHECK_EQ(rv_close(unix_listener), 0);
    return rv_close(listener);
}

/* ---- what is said of a deadline ---- */

static char fifo[PATH_ROOM];

/* Until it was seen: an open that restarts is not there for a moment, and then does not know who
 * came and went. */
static int open_other_end(void *was_seen)
{
    int err = rv_sleep(50 * RV_MS);

    while (err == 0 && !*(bool *)was_seen) {
        int fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

        err = fd >= 0 ? rv_close(fd) : errno == ENXIO ? 0 : -errno;
        err = err < 0 ? err : rv_sleep(RV_MS);
    }
    return err;
}

static void handle(int sig)
{
    (void)sig;
}

/* A handler that restarts what it interrupts, put in the place of the library's: no cancel reaches
 * a helper any more. The call waits on, and the result wins. */
TEST_TASK(hazard_22_an_open_that_cannot_be_cut_short_returns_what_it_opened)
{
    const struct sigaction restarts = {.sa_handler = handle, .sa_flags = SA_RESTART};
    rv_time begin = rv_now();
    rv_group g;
    bool seen = false;
    rv_scope s;
    int fd;

    new_path(fifo);
    MUST(mkfifo(fifo, 0600));
    CHECK_EQ(WITHIN(A_MOMENT, rv_openat(AT_FDCWD, fifo, O_RDONLY, 0)), -ETIMEDOUT);
    MUST(sigaction(SIGURG, &restarts, NULL));
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, open_other_end, &seen);
    rv_scope_open(&s, rv_after(A_MOMENT));
    fd = rv_openat(AT_FDCWD, fifo, O_RDONLY, 0);
    CHECK(fd >= 0);
    seen = true;
    CHECK_EQ(rv_yield(), -ECANCELED); /* it was too late, and the next call says so */
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), -ETIMEDOUT);
    CHECK(rv_now() >= begin + 50 * RV_MS);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(fd), 0);
    drop_file(fifo);
    return 0;
}

static int use_all(void *arg)
{
    struct address at;
    int listener = listening(AF_UNIX, &at), fd = rv_socket(AF_UNIX, SOCK_STREAM, 0), other;

    (void)arg;
    new_path(fifo);
    MUST(mkfifo(fifo, 0600));
    CHECK_EQ(WITHIN(A_MOMENT, rv_openat(AT_FDCWD, fifo, O_RDONLY, 0)), -ETIMEDOUT);
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), 0);
    other = rv_accept(listener, NULL, NULL);
    CHECK_EQ(rv_close(other), 0);
    other = rv_openat(AT_FDCWD, "/tmp", O_RDWR | O_TMPFILE, 0600);
    CHECK_EQ(rv_write(other, "x", 1), 1);
    CHECK_EQ(rv_close(other), 0);
    drop_file(fifo);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(listener);
}

TEST(hazard_38_no_thread_descriptor_or_handler_is_left_when_the_runtime_has_ended)
{
    int threads = count_threads(), fds = count_fds();
    struct sigaction now;

    for (int i = 0; i < 20; i++) {
        CHECK_EQ(rv_run(use_all, NULL, NULL), 0);
        for (int ms = 0; ms < 200 && count_threads() > threads; ms++)
            usleep(1000); /* a thread is joined a little before it is off the list */
        CHECK_EQ(count_threads(), threads);
        CHECK_EQ(count_fds(), fds);
    }
    sigaction(SIGURG, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
}

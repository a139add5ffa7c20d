/* net.h: what the tests of descriptors share: pairs of connected ones, and what leaks show in.
 *
 * The makers use plain system calls, so that what a test finds is about the call under test; they
 * stop the test when they fail. TEST_TASK is a test whose body is the first task of a runtime.
 */
#ifndef NET_H
#define NET_H

#include "tests/tap.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "reeve.h"

#define TEST_TASK(sentence)                               \
    static int sentence##_task(void *unused);             \
    TEST(sentence)                                        \
    {                                                     \
        CHECK_EQ(rv_run(sentence##_task, NULL, NULL), 0); \
    }                                                     \
    static int sentence##_task(void *unused __attribute__((unused)))

/* The value of a call that is given only so long; -ETIMEDOUT. */
#define WITHIN(span, call)                              \
    ({                                                  \
        rv_scope within_;                               \
        rv_scope_open(&within_, rv_after(span));        \
        long within_value_ = (long)(call);              \
        rv_scope_close(&within_, (int)(within_value_)); \
    })

/* For waits that must be there, and for those that should end: far beyond any machine's need, a
 * third of what a test may take (TEST_SECONDS). */
#define A_MOMENT (20 * RV_MS)
#define LONG ((rv_time)tap_seconds() * RV_S / 3)

#define MUST(call)                                                                          \
    ({                                                                                      \
        long must_ = (long)(call);                                                          \
        if (must_ < 0) {                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, strerror(errno)); \
            _exit(1);                                                                       \
        }                                                                                   \
        (int)must_;                                                                         \
    })

struct address {
    struct sockaddr_storage at;
    socklen_t len;
};

static inline struct sockaddr *address_of(struct address *a)
{
    return (struct sockaddr *)(void *)&a->at;
}

static inline bool have_ip6(void)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool yes = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

    close(fd);
    return yes;
}

/* A port of the loopback, or for AF_UNIX a name that the kernel chose. */
static inline int bound(int family, int type, struct address *out)
{
    int fd = MUST(socket(family, type | SOCK_CLOEXEC, 0));

    memset(out, 0, sizeof *out);
    out->at.ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        ((struct sockaddr_in *)&out->at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        out->len = sizeof(struct sockaddr_in);
    } else if (family == AF_INET6) {
        ((struct sockaddr_in6 *)&out->at)->sin6_addr = in6addr_loopback;
        out->len = sizeof(struct sockaddr_in6);
    } else {
        out->len = sizeof(sa_family_t);
    }
    MUST(bind(fd, address_of(out), out->len));
    out->len = sizeof out->at;
    MUST(getsockname(fd, address_of(out), &out->len));
    return fd;
}

static inline int listening(int family, struct address *out)
{
    int fd = bound(family, SOCK_STREAM, out);

    MUST(listen(fd, 1024));
    return fd;
}

static inline void connected_pair(int family, int type, int fds[2])
{
    struct address a, b;
    int listener;

    if (family == AF_UNIX) {
        MUST(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds));
        return;
    }
    if (type == SOCK_DGRAM) {
        fds[0] = bound(family, type, &a);
        fds[1] = bound(family, type, &b);
        MUST(connect(fds[0], address_of(&b), b.len));
        MUST(connect(fds[1], address_of(&a), a.len));
        return;
    }
    listener = listening(family, &a);
    fds[0] = MUST(socket(family, type | SOCK_CLOEXEC, 0));
    /* Signals may come: some tests want storms of them. */
    while (connect(fds[0], address_of(&a), a.len) < 0 && errno != EISCONN)
        MUST(errno == EINTR || errno == EALREADY ? 0 : -1);
    do
        fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (fds[1] < 0 && errno == EINTR);
    MUST(fds[1]);
    close(listener);
}

static inline void tcp_pair(int fds[2])
{
    connected_pair(AF_INET, SOCK_STREAM, fds);
}

/* With RST and not FIN. */
static inline void reset_connection(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(fd);
}

static inline void close_both(const int fds[2])
{
    CHECK_EQ(rv_close(fds[0]), 0);
    CHECK_EQ(rv_close(fds[1]), 0);
}

/* Entries of a folder below /proc/self: open descriptors, threads. */
static inline int count_in(const char *folder)
{
    DIR *d = opendir(folder);
    int count = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        count += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return count;
}

static inline int count_fds(void)
{
    return count_in("/proc/self/fd") - 1; /* the folder's own */
}

/* A cheap generator: the same numbers in each run. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif

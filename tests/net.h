/* net.h: what the tests of descriptors share: pairs of connected ones, and what leaks show in.
 *
 * The makers are for tasks, and use the library's calls, since a simulated world has descriptors of
 * its own; they stop the test when they fail. TEST_TASK is a test whose body is the first task of
 * a runtime.
 */
#ifndef NET_H
#define NET_H

#include "tests/tap.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
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

/* Of what one worker has for itself, whatever REEVE_WORKERS says. */
#define TEST_TASK_ALONE(sentence)                                                \
    static int sentence##_task(void *unused);                                    \
    TEST(sentence)                                                               \
    {                                                                            \
        CHECK_EQ(rv_run(sentence##_task, NULL, &(rv_options){.workers = 1}), 0); \
    }                                                                            \
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

/* Of a system call or of one of ours: what must work for the test to be one. */
#define MUST(call)                                                        \
    ({                                                                    \
        long must_ = (errno = EPERM, (long)(call));                       \
        if (must_ < 0) {                                                  \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, \
                    strerror(must_ == -1 ? errno : (int)-must_));         \
            _exit(1);                                                     \
        }                                                                 \
        (int)must_;                                                       \
    })

enum { SIM_FIRST_FD = 65536 };

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
    int fd = rv_socket(AF_INET6, SOCK_STREAM, 0);
    bool yes = fd >= 0 && rv_bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

    if (fd >= 0)
        MUST(rv_close(fd));
    return yes;
}

/* A port of the loopback, or for AF_UNIX a name that the kernel chose. */
static inline int bound(int family, int type, struct address *out)
{
    int fd = MUST(rv_socket(family, type, 0));

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
    MUST(rv_bind(fd, address_of(out), out->len));
    out->len = sizeof out->at;
    MUST(rv_getsockname(fd, address_of(out), &out->len));
    return fd;
}

static inline int listening(int family, struct address *out)
{
    int fd = bound(family, SOCK_STREAM, out);

    MUST(rv_listen(fd, 1024));
    return fd;
}

static inline void connected_pair(int family, int type, int fds[2])
{
    struct address a, b;
    int listener;

    if (family == AF_UNIX) {
        MUST(rv_socketpair(AF_UNIX, type, 0, fds));
        return;
    }
    if (type == SOCK_DGRAM) {
        fds[0] = bound(family, type, &a);
        fds[1] = bound(family, type, &b);
        MUST(rv_connect(fds[0], address_of(&b), b.len));
        MUST(rv_connect(fds[1], address_of(&a), a.len));
        return;
    }
    listener = listening(family, &a);
    fds[0] = MUST(rv_socket(family, type, 0));
    MUST(rv_connect(fds[0], address_of(&a), a.len));
    fds[1] = MUST(rv_accept(listener, NULL, NULL));
    MUST(rv_close(listener));
}

static inline void tcp_pair(int fds[2])
{
    connected_pair(AF_INET, SOCK_STREAM, fds);
}

/* With RST and not FIN. */
static inline void reset_connection(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    MUST(rv_setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    MUST(rv_close(fd));
}

static inline void close_both(const int fds[2])
{
    CHECK_EQ(rv_close(fds[0]), 0);
    CHECK_EQ(rv_close(fds[1]), 0);
}

enum { PATH_ROOM = 64 };

/* A name for a file; whoever makes one of it calls drop_file(). */
static inline void new_path(char path[PATH_ROOM])
{
    uint64_t number;

    rv_random(&number, sizeof number);
    snprintf(path, PATH_ROOM, "/tmp/reeve-%d-%llx", (int)getpgrp(), (unsigned long long)number);
}

/* A simulated file goes with its world. */
static inline void drop_file(const char *path)
{
    if (!in_sim())
        MUST(unlink(path));
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

/* Of those, without what a sanitizer starts beside the program's first. */
static inline void *end_at_once(void *nothing)
{
    return nothing;
}

static inline int count_threads(void)
{
    pthread_t first;

    if (TAP_SANITIZED && pthread_create(&first, NULL, end_at_once, NULL) == 0)
        pthread_join(first, NULL);
    if (under_qemu()) /* which tells pthread_join() before the thread is off the list */
        usleep(50000);
    return count_in("/proc/self/task");
}

/* Descriptors that are open, of which a simulated world has its own: getsockopt(2) knows a number
 * that is none, whatever else it may say of those that are no sockets. */
static inline int count_fds(void)
{
    int count = 0, type;

    if (!in_sim())
        return count_in("/proc/self/fd") - 1; /* the folder's own */
    for (int fd = SIM_FIRST_FD; fd < SIM_FIRST_FD + 8192; fd++)
        count += rv_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) != -EBADF;
    return count;
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

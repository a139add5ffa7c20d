/* time.c: the guards of calls that make a thread wait, and of those whose answer the seed does not
 * decide: clocks, the kernel's randomness, libc's generators (whose state outlives a run), threads.
 */
#include <poll.h>
#include <sys/select.h>
#include <time.h>

#include "guard.h"

/* ---- waiting ---- */

#define WAIT(result, name, instead, parameters, arguments) \
    GUARDED(result, name, parameters)                      \
    {                                                      \
        rv_sim_raw_wait(#name, instead, CALLER);           \
        return PASS(name, arguments);                      \
    }

WAIT(unsigned, sleep, "rv_sleep", (unsigned seconds), (seconds))
WAIT(int, usleep, "rv_sleep", (useconds_t us), (us))
WAIT(int, nanosleep, "rv_sleep", (const struct timespec *span, struct timespec *left), (span, left))
WAIT(int, clock_nanosleep, "rv_sleep_until",
     (clockid_t clock, int flags, const struct timespec *until, struct timespec *left),
     (clock, flags, until, left))

static void check_poll(const char *call, const struct pollfd *all, nfds_t count, bool waits,
                       const void *place)
{
    for (nfds_t i = 0; i < count; i++)
        rv_sim_raw_fd(call, all[i].fd, "rv_poll", place);
    if (waits)
        rv_sim_raw_wait(call, "rv_poll", place);
}

GUARDED(int, poll, (struct pollfd * all, nfds_t count, int ms))
{
    check_poll("poll", all, count, ms != 0, CALLER);
    return PASS(poll, (all, count, ms));
}

GUARDED(int, __poll_chk, (struct pollfd * all, nfds_t count, int ms, size_t room))
{
    check_poll("poll", all, count, ms != 0, CALLER);
    return PASS(__poll_chk, (all, count, ms, room));
}

static bool is_wait(const struct timespec *span)
{
    return span == NULL || span->tv_sec || span->tv_nsec;
}

GUARDED(int, ppoll,
        (struct pollfd * all, nfds_t count, const struct timespec *span, const sigset_t *mask))
{
    check_poll("ppoll", all, count, is_wait(span), CALLER);
    return PASS(ppoll, (all, count, span, mask));
}

GUARDED(int, __ppoll_chk,
        (struct pollfd * all, nfds_t count, const struct timespec *span, const sigset_t *mask,
         size_t room))
{
    check_poll("ppoll", all, count, is_wait(span), CALLER);
    return PASS(__ppoll_chk, (all, count, span, mask, room));
}

/* No set has room for a simulated descriptor. */
GUARDED(int, select, (int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *span))
{
    if (span == NULL || span->tv_sec || span->tv_usec)
        rv_sim_raw_wait("select", "rv_poll", CALLER);
    return PASS(select, (n, in, out, other, span));
}

struct epoll_event;

GUARDED(int, epoll_wait, (int epoll, struct epoll_event *events, int most, int ms))
{
    if (ms != 0)
        rv_sim_raw_wait("epoll_wait", "rv_poll", CALLER);
    return PASS(epoll_wait, (epoll, events, most, ms));
}

GUARDED(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event))
{
    rv_sim_raw_fd("epoll_ctl", fd, "rv_poll", CALLER);
    return PASS(epoll_ctl, (epoll, what, fd, event));
}

/* ---- chance ---- */

#define CHANCE(result, name, instead, parameters, arguments) \
    GUARDED(result, name, parameters)                        \
    {                                                        \
        rv_sim_raw_chance(#name, instead, CALLER);           \
        return PASS(name, arguments);                        \
    }

CHANCE(int, clock_gettime, "rv_now", (clockid_t clock, struct timespec *now), (clock, now))
CHANCE(int, gettimeofday, "rv_now", (struct timeval * now, void *zone), (now, zone))
CHANCE(time_t, time, "rv_now", (time_t * now), (now))
CHANCE(int, timespec_get, "rv_now", (struct timespec * now, int base), (now, base))
CHANCE(clock_t, clock, "rv_now", (void), ())
CHANCE(ssize_t, getrandom, "rv_random", (void *buf, size_t len, unsigned flags), (buf, len, flags))
CHANCE(int, getentropy, "rv_random", (void *buf, size_t len), (buf, len))
CHANCE(int, rand, "rv_random", (void), ())
CHANCE(long, random, "rv_random", (void), ())
CHANCE(long, lrand48, "rv_random", (void), ())
CHANCE(double, drand48, "rv_random", (void), ())
CHANCE(int, pthread_create, "rv_go",
       (void *thread, const void *attributes, void *(*start)(void *), void *arg),
       (thread, attributes, start, arg))

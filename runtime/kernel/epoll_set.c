/* epoll_set.c: see epoll_set.h. */
#include "kernel/epoll_set.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/report.h"

enum {
    BELL = -1, /* as a number */
    STRAYS_MOST = 64,
};

_Static_assert(EPOLLIN == POLLIN && EPOLLPRI == POLLPRI && EPOLLOUT == POLLOUT &&
                   EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP,
               "a watch's bits are poll's, and epoll's are the same");

/* What a number's events are for. */
struct epoll_place {
    struct kop *op; /* the watch, or NULL */
    uint32_t generation;
};

/* ---- watches ---- */

static int make_places(struct epoll_set *s, unsigned least)
{
    unsigned count = least > 2 * s->place_count ? least : 2 * s->place_count;
    struct epoll_place *places = realloc(s->places, count * sizeof *places);

    if (places == NULL)
        return -ENOMEM;
    memset(places + s->place_count, 0, (count - s->place_count) * sizeof *places);
    s->places = places;
    s->place_count = count;
    return 0;
}

static int enrol(struct epoll_set *s, int fd, uint32_t events, uint32_t generation)
{
    struct epoll_event ev = {.events = events | EPOLLET,
                             .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd};

    if (epoll_ctl(s->fd, EPOLL_CTL_ADD, fd, &ev) == 0 ||
        (errno == EEXIST && epoll_ctl(s->fd, EPOLL_CTL_MOD, fd, &ev) == 0))
        return 0;
    return errno == ENOSPC ? -ENOMEM : -errno; /* fs.epoll.max_user_watches is memory, too */
}

int epoll_set_watch(struct epoll_set *s, struct kop *op)
{
    unsigned fd = (unsigned)op->fd;
    int err = fd < s->place_count ? 0 : make_places(s, fd + 1);

    if (err == 0)
        err = enrol(s, op->fd, op->flags, s->places[fd].generation);
    if (err < 0)
        return err;
    ASSERT(s->places[fd].op == NULL);
    s->places[fd].op = op;
    s->watches++;
    return 0;
}

void epoll_set_unwatch(struct epoll_set *s, struct kop *op)
{
    struct epoll_place *p = &s->places[op->fd];

    ASSERT(p->op == op);
    (void)epoll_ctl(s->fd, EPOLL_CTL_DEL, op->fd, NULL);
    p->op = NULL;
    p->generation++; /* the number may lead elsewhere, and then nothing was removed */
    s->watches--;
}

/* ---- the set ---- */

static int make_set(int bell)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = (uint32_t)BELL};
    int fd = epoll_create1(EPOLL_CLOEXEC), err;

    if (fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, bell, &ev) == 0)
        return fd;
    err = -errno;
    if (fd >= 0)
        close(fd);
    return err;
}

/* With the old set all its registrations go, those too that we have no hold of. A watch that does
 * not come along is deaf: its number was closed, or memory is short. fds_verify() finds the former;
 * the latter leaves the old set in place. */
static void make_anew(struct epoll_set *s)
{
    struct epoll_set anew = *s;
    int err = anew.fd = make_set(s->bell);

    s->strays = 0;
    for (unsigned fd = 0; fd < s->place_count && err >= 0; fd++) {
        const struct epoll_place *p = &s->places[fd];

        if (p->op)
            err = enrol(&anew, (int)fd, p->op->flags, p->generation);
        if (err == -EBADF || err == -EPERM)
            err = 0;
    }
    if (err < 0) {
        if (anew.fd >= 0)
            close(anew.fd);
        return;
    }
    close(s->fd);
    s->fd = anew.fd;
}

int epoll_set_open(struct epoll_set *s)
{
    int err;

    memset(s, 0, sizeof *s);
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->bell < 0)
        return -errno;
    err = s->fd = make_set(s->bell);
    if (err < 0) {
        close(s->bell);
        return err;
    }
    return 0;
}

void epoll_set_close(struct epoll_set *s)
{
    close(s->fd);
    close(s->bell);
    free(s->places);
}

/* ---- waiting ---- */

static int wait_without_pwait2(struct epoll_set *s, const struct timespec *span)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    int n = ppoll(&p, 1, span, NULL);

    return n > 0 ? epoll_wait(s->fd, s->events, EPOLL_BATCH, 0) : n;
}

/* As epoll_wait() does: how many events, or -1 and errno. */
static int await_events(struct epoll_set *s, int64_t until)
{
    int64_t span;
    struct timespec ts;
    int n;

    if (until <= 0 || until == CLOCK_NEVER)
        return epoll_wait(s->fd, s->events, EPOLL_BATCH, until <= 0 ? 0 : -1);
    span = until - clock_now();
    if (span <= 0)
        return epoll_wait(s->fd, s->events, EPOLL_BATCH, 0);
    ts = (struct timespec){.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};
    if (!s->no_pwait2) {
        n = (int)syscall(SYS_epoll_pwait2, s->fd, s->events, EPOLL_BATCH, &ts, NULL, 0);
        if (n >= 0 || errno == EINTR)
            return n;
        s->no_pwait2 = true; /* or a filter does not know it, and says whatever it likes */
    }
    return wait_without_pwait2(s, &ts);
}

/* epoll asks the file itself: where it says POLLPRI there is urgent data, and not just data. The
 * bit beside it tells fds.c so. */
static long as_poll(uint32_t events)
{
    return (long)(events | (events & EPOLLPRI ? POLLRDBAND : 0));
}

static void speak(struct epoll_set *s, const struct epoll_event *ev)
{
    uint32_t fd = (uint32_t)ev->data.u64, generation = (uint32_t)(ev->data.u64 >> 32);
    struct epoll_place *p;

    if (fd == (uint32_t)BELL)
        return;
    p = &s->places[fd];
    if (p->op && p->generation == generation)
        p->op->event(p->op, as_poll(ev->events));
    else
        s->strays++;
}

void epoll_set_wait(struct epoll_set *s, int64_t until)
{
    int n = await_events(s, until);

    if (n < 0 && errno != EINTR)
        die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++)
        speak(s, &s->events[i]);
    if (s->strays >= STRAYS_MOST)
        make_anew(s);
}

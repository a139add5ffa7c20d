/* epoll_set.h: the epoll set of a worker: watches in, their events out.
 *
 * Kernel facts used here:
 *  - A registration belongs to the open file and the number, not to the number alone: when the
 *    number was closed behind our back and the file lives on elsewhere, nobody can remove it, and
 *    its events still come. So an event carries number and generation, and one of an old generation
 *    is a stray, and dropped. After many of them the set is made anew: else a busy file of
 *    another process would keep us busy, too. Where the number is given the same file once more,
 *    the registration is there already (EEXIST) and is taken over.
 *  - What has no poll() of its own, as a regular file, cannot be registered (EPERM).
 *  - epoll_pwait2 (5.11) takes nanoseconds; on older kernels ppoll(2) waits for the set.
 *  - Edge-triggered, an eventfd speaks at each write: the bell is never read.
 *
 * Invariant: a number has one watch at most.
 */
#ifndef KERNEL_EPOLL_SET_H
#define KERNEL_EPOLL_SET_H

#include <sys/epoll.h>

#include "kernel/kernel.h"

struct epoll_place;

enum { EPOLL_BATCH = 256 };

struct epoll_set {
    int fd;
    int bell; /* an eventfd that is in the set and has no watch: a write to it ends a wait */
    unsigned watches;
    unsigned strays; /* since the set was made */
    bool no_pwait2;
    unsigned place_count;
    struct epoll_place *places; /* by number */
    struct epoll_event events[EPOLL_BATCH];
};

int epoll_set_open(struct epoll_set *s); /* 0, or -errno */
void epoll_set_close(struct epoll_set *s);

/* 0: its events come from now on, by op->event(). -EPERM: nothing ever changes there. */
int epoll_set_watch(struct epoll_set *s, struct kop *op);
void epoll_set_unwatch(struct epoll_set *s, struct kop *op); /* none comes any more */

/* Waits until `until`, not at all if that has passed, and calls event() for what there is. */
void epoll_set_wait(struct epoll_set *s, int64_t until);

#endif

/* kernel.c: which room a worker gets. See kernel.h. */
#include "kernel/kernel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/report.h"
#include "kernel/fds.h"

/* Of the real world, best first. */
static const struct kernel_room *const rooms[] = {&uring_room, &epoll_room};

enum { ROOMS = sizeof rooms / sizeof rooms[0] };

static const struct kernel_room *named(const char *name)
{
    if (strcmp(name, sim_room.name) == 0)
        return &sim_room;
    for (int i = 0; i < ROOMS; i++)
        if (strcmp(name, rooms[i]->name) == 0)
            return rooms[i];
    report("backend \"%s\" is unknown: \"auto\", \"uring\", \"epoll\" or \"sim\"", name);
    return NULL;
}

/* The machine has no such room; anything else, as no descriptor left, is an error in any room. */
static bool not_here(int err)
{
    return err == -ENOSYS || err == -EPERM || err == -EACCES || err == -ENOMEM || err == -EINVAL ||
           err == -EOPNOTSUPP;
}

/* The first one that opens. *why is the last one's that did not. */
static int open_best(struct kernel **out_k, const struct kernel_config *config, char *why)
{
    int err = -ENOSYS;

    for (int i = 0; i < ROOMS && not_here(err); i++)
        err = rooms[i]->open(out_k, config, why);
    return err;
}

int kernel_open(struct kernel **out_k, const struct kernel_config *config)
{
    const bool any = strcmp(config->backend, "auto") == 0;
    const struct kernel_room *room = any ? NULL : named(config->backend);
    char why[KERNEL_WHY] = "";
    int err;

    if (!any && room == NULL)
        return -EINVAL;
    err = any ? open_best(out_k, config, why) : room->open(out_k, config, why);
    if (err < 0) {
        if (why[0])
            report("%s", why);
        else
            report("backend %s: %s", config->backend, strerror(-err));
        return err;
    }
    memcpy((*out_k)->why, why, sizeof why);
    (*out_k)->bell = -1;
    (*out_k)->share = config->share;
    err = fds_new(*out_k);
    if (err < 0) {
        (*out_k)->room->close(*out_k);
        report("the table of descriptors: %s", strerror(-err));
    }
    return err;
}

void kernel_close(struct kernel *k)
{
    struct fds *fds = k->fds;
    struct kop *bell_watch = k->bell_watch;
    int bell = k->bell;

    k->room->close(k); /* ends the watches, which live in fds */
    fds_free(fds);
    free(bell_watch);
    if (bell >= 0)
        close(bell);
}

/* ---- the bell: an eventfd that is watched, and never read ---- */

static void rang(struct kop *op, long events)
{
    (void)op;
    (void)events;
}

/* Without memory for the watch it is tried again with each step. None of these waits, since
 * something has ended in it: nobody sleeps who could not be woken. */
static void bell_ended(struct kop *op)
{
    struct kernel *k = op->addr;

    if (op->result < 0 && op->result != -ECANCELED && op->result != -ENOMEM)
        die("the worker's bell: %s", strerror((int)-op->result));
    k->room->submit(k, op);
}

/* In a simulated world all workers are of one thread: it is a flag. */
int kernel_hang_bell(struct kernel *k, bool (*called)(struct kernel *k, bool parking))
{
    if (k->called || k->room == &sim_room) {
        k->called = called;
        return 0;
    }
    k->bell_watch = calloc(1, sizeof *k->bell_watch);
    if (k->bell_watch == NULL)
        return -ENOMEM;
    k->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (k->bell < 0) {
        int err = -errno;

        free(k->bell_watch);
        k->bell_watch = NULL;
        return err;
    }
    *k->bell_watch = (struct kop){.code = KOP_WATCH,
                                  .fd = k->bell,
                                  .flags = POLLIN,
                                  .addr = k,
                                  .done = bell_ended,
                                  .event = rang};
    k->called = called;
    k->room->submit(k, k->bell_watch);
    return 0;
}

void kernel_ring(struct kernel *k)
{
    const uint64_t one = 1;

    if (k->bell < 0) {
        ASSERT(k->room == &sim_room);
        k->rung = true;
        return;
    }
    while (write(k->bell, &one, sizeof one) < 0) {
        if (errno == EAGAIN) /* 2^64 rings ago it was new; and whoever sleeps was rung for */
            return;
        if (errno != EINTR)
            die("the worker's bell: %s", strerror(errno));
    }
}

/* kernel.c: which room a worker gets. See kernel.h. */
#include "kernel/kernel.h"

#include <errno.h>
#include <string.h>

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

    k->room->close(k); /* ends the watches, which live in fds */
    fds_free(fds);
}

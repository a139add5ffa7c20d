/* kernel.c: which room a worker gets. See kernel.h. */
#include "kernel/kernel.h"

#include <errno.h>
#include <string.h>

#include "base/report.h"
#include "kernel/fds.h"

int kernel_open(struct kernel **out_k, const struct kernel_config *config)
{
    int err;
    const struct kernel_room *room = &uring_room;

    if (strcmp(config->backend, "sim") == 0) {
        room = &sim_room;
    } else if (strcmp(config->backend, "auto") != 0 && strcmp(config->backend, room->name) != 0) {
        report("backend \"%s\" is unknown: \"auto\", \"uring\" or \"sim\"", config->backend);
        return -EINVAL;
    }
    err = room->open(out_k, config);
    if (err < 0)
        return err;
    err = fds_new(*out_k);
    if (err < 0)
        room->close(*out_k);
    return err;
}

void kernel_close(struct kernel *k)
{
    struct fds *fds = k->fds;

    k->room->close(k); /* ends the watches, which live in fds */
    fds_free(fds);
}

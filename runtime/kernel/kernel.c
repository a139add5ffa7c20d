/* kernel.c: which room a worker gets. See kernel.h. */
#include "kernel/kernel.h"

#include <errno.h>
#include <string.h>

#include "base/report.h"
#include "kernel/fds.h"

int kernel_open(struct kernel **out_k, const struct kernel_config *config)
{
    int err;

    if (strcmp(config->backend, "auto") != 0 && strcmp(config->backend, uring_room.name) != 0) {
        report("backend \"%s\" is unknown: \"auto\" or \"uring\"", config->backend);
        return -EINVAL;
    }
    err = uring_room.open(out_k, config);
    if (err < 0)
        return err;
    err = fds_new(*out_k);
    if (err < 0)
        uring_room.close(*out_k);
    return err;
}

void kernel_close(struct kernel *k)
{
    struct fds *fds = k->fds;

    k->room->close(k); /* ends the watches, which live in fds */
    fds_free(fds);
}

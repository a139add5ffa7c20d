/* uring_none.c: stands for the io_uring room in a build without liburing (the Makefile's URING=no),
 * so that nothing else need know: it cannot be opened, and says why.
 */
#include <errno.h>
#include <stdio.h>

#include "kernel/kernel.h"

static int none_open(struct kernel **out_k, const struct kernel_config *config, char *why)
{
    (void)out_k;
    (void)config;
    snprintf(why, KERNEL_WHY, "io_uring: this library was built without it");
    return -ENOSYS;
}

const struct kernel_room uring_room = {
    .name = "uring",
    .open = none_open,
};

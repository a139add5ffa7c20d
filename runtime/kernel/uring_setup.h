/* uring_setup.h: the io_uring room's beginning, apart from its work. */
#ifndef KERNEL_URING_SETUP_H
#define KERNEL_URING_SETUP_H

#include "kernel/kernel.h"

struct io_uring;

/* A ring of at most the size asked for, that has carried a first operation there and back: 0; or
 * -errno, and out_why says why, in KERNEL_WHY bytes at most. */
int uring_set_up(struct io_uring *ring, const struct kernel_config *config, char *out_why);

#endif

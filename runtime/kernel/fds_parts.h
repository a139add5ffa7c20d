/* fds_parts.h: what the files behind fds.h share: fds.c and fds_close.c. */
#ifndef KERNEL_FDS_PARTS_H
#define KERNEL_FDS_PARTS_H

#include "base/slab.h"
#include "kernel/fds.h"

struct fds {
    struct fd_entry **blocks; /* of BLOCK entries each, at fd / BLOCK; NULL: none used yet */
    size_t block_count;
    size_t waiting; /* struct fd_waits that are linked, and closers elsewhere */
    struct slab watches;
};

struct fd_entry *fds_find(struct kernel *k, int fd); /* NULL: never used */
void fds_reset(struct kernel *k, struct fd_entry *e);
void fds_wake_all(struct kernel *k, struct fd_entry *e, int result);
void fds_abandon_watch(struct kernel *k, struct fd_entry *e);
bool fds_leads_elsewhere(struct kernel *k, const struct fd_entry *e); /* its kind is known */

/* An operation, or an abandoned watch, has ended: was it the last that somebody waits for? */
void fds_settle(struct kernel *k, struct fd_entry *e);

#endif

/* disk.h: what is on a simulated disk, as open files (file.c) see it. */
#ifndef KERNEL_SIM_DISK_H
#define KERNEL_SIM_DISK_H

#include "kernel/sim/content.h"

struct disk_file {
    struct link link;      /* sim_disk.files */
    struct sim_disk *disk; /* NULL: gone from there, nothing left but this for who has it open */
    char *name;            /* NULL: none, as O_TMPFILE has it */
    uint64_t inode;
    unsigned opens;
    unsigned failures; /* of syncs: each open file hears of each, once */
    bool name_synced;
    bool truncated; /* and not synced since: then there is a `before` */
    struct content now, before;
};

/* Names are whole and plain: no "//", "." or "..", no "/" at the end; the root is "". */
struct disk_file *disk_find(struct sim_disk *d, const char *name);
/* Is something in it, or is it one that is always there? */
bool disk_has_folder(struct sim_disk *d, const char *name);
/* A new file, empty; name NULL: none. The name is copied. */
struct disk_file *disk_make(struct sim *w, struct sim_disk *d, const char *name);
void disk_opened(struct disk_file *f);
void disk_closed(struct disk_file *f); /* may be its end */

void disk_truncate(struct disk_file *f);
/* As much as the disk has room for. */
size_t disk_write(struct sim *w, struct disk_file *f, const void *buf, size_t len, int64_t at);
void disk_sync(struct disk_file *f, bool data_only);
void disk_fail_sync(struct disk_file *f);
void disk_sync_names(struct sim_disk *d, const char *folder);

#endif

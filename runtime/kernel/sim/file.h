/* file.h: an open file, folder or device of a simulated world: made by open.c, used by
 * file.c.
 */
#ifndef KERNEL_SIM_FILE_H
#define KERNEL_SIM_FILE_H

#include "kernel/sim/disk.h"

enum file_device { DEVICE_NONE, DEVICE_NULL, DEVICE_ZERO, DEVICE_FULL };

struct open_file {
    struct sim_object object;
    struct disk_file *file; /* NULL: a folder, or a device */
    char *folder;           /* its name; NULL: none */
    enum file_device device;
    int flags;
    int64_t position;
    unsigned failures_seen; /* of file->failures */
};

extern const struct sim_class file_class, device_class;

static inline struct open_file *open_file_of(struct sim_object *o)
{
    return CONTAINER(o, struct open_file, object);
}

#endif

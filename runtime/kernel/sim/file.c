/* file.c: open files of a simulated world: what read, write and sync say, and what can go wrong
 * with them. How they are opened is open.c's, what is on the disk disk.c's.
 *
 * Reads are whole but at the file's end, or where the disk has an error (then what is before it):
 * rv_pread() promises that. Writes are not, where the world has RV_SIM_SHORT. A sync that fails
 * says so once to each open file, and what it should have synced may be lost from then on.
 */
#include "kernel/sim/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"

#define FILE_MAX ((int64_t)1 << 40)

/* ---- what both kinds of objects answer ---- */

static short always_ready(struct sim *w, struct sim_object *o)
{
    (void)w;
    (void)o;
    return POLLIN | POLLOUT;
}

static void closed(struct sim *w, struct sim_object *o)
{
    (void)w;
    (void)o;
}

static void free_open_file(struct sim *w, struct sim_object *o)
{
    struct open_file *f = open_file_of(o);

    (void)w;
    if (f->file)
        disk_closed(f->file);
    free(f->folder);
    free(f);
}

/* May it be read, or written to? 0, or why not. */
static int check_access(struct sim *w, struct open_file *f, int mode)
{
    int has = f->flags & O_ACCMODE;

    if (!sim_alive(w, &f->object))
        return -EIO;
    return (f->flags & O_PATH) || (has != mode && has != O_RDWR) ? -EBADF : 0;
}

/* ---- devices ---- */

static ssize_t device_take(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags)
{
    struct open_file *f = open_file_of(o);
    int err = check_access(w, f, O_RDONLY);

    (void)flags;
    if (err < 0 || f->device == DEVICE_NULL)
        return err;
    if (len > 0)
        memset(buf, 0, len);
    return (ssize_t)len;
}

static ssize_t device_put(struct sim *w, struct sim_object *o, const void *buf, size_t len,
                          int flags)
{
    struct open_file *f = open_file_of(o);
    int err = check_access(w, f, O_WRONLY);

    (void)buf;
    (void)flags;
    if (err < 0)
        return err;
    return f->device == DEVICE_FULL && len > 0 ? -ENOSPC : (ssize_t)len;
}

const struct sim_class device_class = {
    .name = "device",
    .kind = FD_OTHER,
    .ready = always_ready,
    .take = device_take,
    .put = device_put,
    .closed = closed,
    .free = free_open_file,
};

/* ---- files ---- */

/* These are not streams: sim_file_read() and its like are how to reach them. */
static ssize_t no_take(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags)
{
    (void)w;
    (void)o;
    (void)buf;
    (void)len;
    (void)flags;
    return -EOPNOTSUPP;
}

static ssize_t no_put(struct sim *w, struct sim_object *o, const void *buf, size_t len, int flags)
{
    return no_take(w, o, (void *)buf, len, flags);
}

const struct sim_class file_class = {
    .name = "file",
    .kind = FD_FILE,
    .ready = always_ready,
    .take = no_take,
    .put = no_put,
    .closed = closed,
    .free = free_open_file,
};

/* Where the read begins, and how much of it there is: 0, or why not. */
static int begin_read(struct sim *w, struct sim_object *o, int64_t *at, size_t *len)
{
    struct open_file *f = open_file_of(o);
    int err;

    ASSERT(o->class == &file_class);
    err = check_access(w, f, O_RDONLY);
    if (err < 0)
        return err;
    if (f->folder)
        return -EISDIR;
    if (*at < -1)
        return -EINVAL;
    if (*at == -1)
        *at = f->position;
    if (*at >= f->file->now.size)
        *len = 0;
    else if (*len > (uint64_t)(f->file->now.size - *at))
        *len = (size_t)(f->file->now.size - *at);
    return 0;
}

/* How much of it the disk gives before it comes to a bad page, if there is one: not where the
 * cache answers. */
static size_t readable(struct sim *w, struct open_file *f, size_t len, int64_t at)
{
    size_t good = content_cached(&f->file->now, len, at);
    int64_t bad;

    if (good == len || !sim_chance(w, RV_SIM_DISK_ERRORS))
        return len;
    bad = at + (int64_t)(good + sim_below(w, len - good));
    bad -= bad % CONTENT_PAGE;
    sim_tell(w, "disk error", (int64_t)f->file->inode, bad);
    return bad > at + (int64_t)good ? (size_t)(bad - at) : good;
}

int64_t sim_file_position(struct sim_object *o)
{
    ASSERT(o->class == &file_class);
    return open_file_of(o)->position;
}

void sim_file_seek(struct sim_object *o, int64_t at)
{
    ASSERT(o->class == &file_class);
    open_file_of(o)->position = at;
}

static ssize_t give(struct open_file *f, void *buf, size_t len, int64_t at, bool at_position)
{
    content_read(&f->file->now, buf, len, at);
    if (at_position)
        f->position += (int64_t)len;
    return (ssize_t)len;
}

long sim_file_read(struct sim *w, struct sim_object *o, void *buf, size_t len, int64_t at)
{
    struct open_file *f = open_file_of(o);
    bool at_position = at == -1;
    int err = begin_read(w, o, &at, &len);

    if (err < 0 || len == 0)
        return err;
    len = readable(w, f, len, at);
    if (len == 0)
        return -EIO;
    return give(f, buf, len, at, at_position);
}

ssize_t sim_file_cached(struct sim *w, struct sim_object *o, void *buf, size_t len, int64_t at)
{
    struct open_file *f = open_file_of(o);
    bool at_position = at == -1;
    int err = begin_read(w, o, &at, &len);

    if (err < 0 || len == 0)
        return err;
    if (sim_chance(w, RV_SIM_LATE)) {
        int64_t gone = at + (int64_t)sim_below(w, len);

        if (content_forget(&f->file->now, gone))
            sim_tell(w, "page forgotten", (int64_t)f->file->inode, gone / CONTENT_PAGE);
    }
    len = content_cached(&f->file->now, len, at);
    if (len == 0)
        return -EAGAIN;
    return give(f, buf, len, at, at_position);
}

static int sync_open_file(struct sim *w, struct open_file *f, bool data_only)
{
    bool failed = sim_chance(w, RV_SIM_DISK_ERRORS);

    if (failed)
        sim_tell(w, "sync failed", (int64_t)f->object.inode, data_only);
    if (f->folder) {
        if (!failed)
            disk_sync_names(w->hosts[f->object.host].disk, f->folder);
        return failed ? -EIO : 0;
    }
    if (failed)
        disk_fail_sync(f->file);
    else
        disk_sync(f->file, data_only);
    if (f->failures_seen == f->file->failures)
        return 0;
    f->failures_seen = f->file->failures;
    return -EIO;
}

long sim_file_sync(struct sim *w, struct sim_object *o, bool data_only)
{
    struct open_file *f = open_file_of(o);

    ASSERT(o->class == &file_class);
    if (!sim_alive(w, o))
        return -EIO;
    return f->flags & O_PATH ? -EBADF : sync_open_file(w, f, data_only);
}

/* What goes wrong with a write before anything is written: 0, or -errno; or it is made shorter. */
static int disturb_write(struct sim *w, size_t *len)
{
    if (sim_chance(w, RV_SIM_DISK_ERRORS))
        return sim_below(w, 2) ? -EIO : -ENOSPC;
    if (*len > 1 && sim_chance(w, RV_SIM_SHORT))
        *len = 1 + (size_t)sim_below(w, *len - 1);
    return 0;
}

/* O_SYNC has the bits of O_DSYNC and one more. */
static int sync_written(struct sim *w, struct open_file *f)
{
    return f->flags & O_DSYNC ? sync_open_file(w, f, (f->flags & O_SYNC) != O_SYNC) : 0;
}

long sim_file_write(struct sim *w, struct sim_object *o, const void *buf, size_t len, int64_t at)
{
    struct open_file *f = open_file_of(o);
    int64_t begin = f->flags & O_APPEND && f->file ? f->file->now.size : at;
    size_t done;
    int err;

    ASSERT(o->class == &file_class);
    err = check_access(w, f, O_WRONLY);
    if (err < 0 || at < -1)
        return err < 0 ? err : -EINVAL;
    if (begin == -1)
        begin = f->position;
    if (len == 0)
        return 0;
    if (begin >= FILE_MAX)
        return -EFBIG;
    if (len > (uint64_t)(FILE_MAX - begin))
        len = (size_t)(FILE_MAX - begin);
    err = disturb_write(w, &len);
    if (err < 0)
        return err;
    done = disk_write(w, f->file, buf, len, begin);
    if (done == 0)
        return -ENOSPC;
    if (at == -1)
        f->position = begin + (int64_t)done;
    err = sync_written(w, f);
    return err < 0 ? err : (long)done;
}

/* open.c: how files of a simulated world are opened: paths, flags, and what there is by itself.
 *
 * Paths are resolved as Linux does it, but that folders exist by themselves: a name leads to a
 * folder if something is in it, or if it is opened as one (O_DIRECTORY, or "/" at its end) and no
 * file has it; and a file can be made in any folder. There are no links, no owners and no modes:
 * who asks may.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sim/file.h"

static const char *const device_names[] = {
    [DEVICE_NULL] = "/dev/null",
    [DEVICE_ZERO] = "/dev/zero",
    [DEVICE_FULL] = "/dev/full",
};

static enum file_device device_at(const char *name)
{
    for (enum file_device i = DEVICE_NULL; i <= DEVICE_FULL; i++)
        if (strcmp(device_names[i], name) == 0)
            return i;
    return DEVICE_NONE;
}

/* ---- paths ---- */

/* What a path leads to, and whether it says itself that this is a folder. */
struct place {
    char *name; /* as in disk.h; malloced */
    bool folder;
    enum file_device device; /* that has the name, or */
    struct disk_file *file;  /* that has the name, or neither */
};

static void look_up(struct sim_disk *d, struct place *p)
{
    p->device = device_at(p->name);
    p->file = p->device ? NULL : disk_find(d, p->name);
}

/* One step, from where p is: n bytes of a name, "." or "..". */
static int step(struct sim_disk *d, struct place *p, const char *name, size_t n)
{
    size_t len = strlen(p->name);

    look_up(d, p);
    if (p->device || p->file)
        return -ENOTDIR;
    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    p->folder = true;
    if (n == 2 && memcmp(name, "..", 2) == 0) {
        while (len > 0 && p->name[--len] != '/')
            ;
        p->name[len] = 0;
    } else if (n != 1 || *name != '.') {
        p->name[len] = '/';
        memcpy(p->name + len + 1, name, n);
        p->name[len + 1 + n] = 0;
        p->folder = name[n] == '/';
    }
    return 0;
}

/* The path, from that folder on unless it begins with "/". p->name is to be freed either way. */
static int resolve(struct sim_disk *d, const char *from, const char *path, struct place *p)
{
    int err = 0;

    *p = (struct place){.folder = true};
    if (*path == 0)
        return -ENOENT;
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    if (*path == '/')
        from = "";
    p->name = sim_alloc(strlen(from) + strlen(path) + 2);
    memcpy(p->name, from, strlen(from));
    for (size_t n; err == 0; path += n) {
        path += strspn(path, "/");
        n = strcspn(path, "/");
        if (n == 0)
            break;
        err = step(d, p, path, n);
    }
    look_up(d, p);
    return err;
}

/* ---- opening ---- */

static bool is_temporary(int flags)
{
    return (flags & O_TMPFILE) == O_TMPFILE;
}

/* What the kernel makes of flags that go together with others or not at all. */
static int check_flags(int *flags)
{
    if (*flags & O_PATH)
        *flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    if (is_temporary(*flags))
        return (*flags & O_CREAT) || (*flags & O_ACCMODE) == O_RDONLY ? -EINVAL : 0;
    /* what O_DIRECT would go around is all there is */
    return (*flags & O_DIRECT) || (*flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)
               ? -EINVAL
               : 0;
}

/* Before anything is made: is there what the flags ask for, of the kind that they ask for? */
static int check_place(struct sim_disk *d, const struct place *p, int flags)
{
    bool there = p->file || p->device, folder_there;

    if (there) {
        if ((flags & O_CREAT) && p->folder)
            return -EISDIR;
        if ((flags & O_CREAT) && (flags & O_EXCL))
            return -EEXIST;
        return p->folder || (flags & O_DIRECTORY) ? -ENOTDIR : 0;
    }
    if (is_temporary(flags))
        return 0;
    folder_there = disk_has_folder(d, p->name);
    if (flags & O_CREAT) {
        if (folder_there && (flags & O_EXCL))
            return -EEXIST;
        return folder_there || p->folder ? -EISDIR : 0;
    }
    if (!folder_there && !p->folder && !(flags & O_DIRECTORY))
        return -ENOENT;
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) ? -EISDIR : 0;
}

/* Nothing can fail any more. */
static void attach(struct sim *w, struct sim_disk *d, struct open_file *f, struct place *p)
{
    bool temporary = is_temporary(f->flags);

    f->device = p->device;
    if (p->device)
        return;
    if (p->file == NULL && !temporary && !(f->flags & O_CREAT)) {
        f->folder = p->name;
        p->name = NULL;
        return;
    }
    f->file = p->file ? p->file : disk_make(w, d, temporary ? NULL : p->name);
    f->object.inode = f->file->inode;
    f->failures_seen = f->file->failures;
    disk_opened(f->file);
    if (f->flags & O_TRUNC)
        disk_truncate(f->file);
}

static long open_place(struct sim *w, struct sim_disk *d, struct place *p, int flags)
{
    struct open_file *f;
    int fd, err = check_place(d, p, flags);

    if (err < 0)
        return err;
    f = sim_alloc(sizeof *f);
    sim_object_init(w, &f->object, p->device ? &device_class : &file_class);
    f->object.nonblocking = flags & O_NONBLOCK;
    f->flags = flags;
    fd = sim_number(w, &f->object);
    if (fd < 0)
        sim_drop(w, &f->object);
    else
        attach(w, d, f, p);
    if (fd >= 0)
        sim_tell(w, "opened", fd, (int64_t)f->object.inode);
    return fd;
}

/* The folder that a path begins in. */
static int beginning(struct sim *w, int dir, const char *path, const char **out_from)
{
    struct sim_object *o;
    int err;

    *out_from = "";
    if (*path == '/' || dir == AT_FDCWD)
        return 0;
    err = sim_find_object(w, dir, &o);
    if (err < 0)
        return err;
    if (o->class != &file_class || open_file_of(o)->folder == NULL)
        return -ENOTDIR;
    *out_from = open_file_of(o)->folder;
    return 0;
}

long sim_file_open(struct sim *w, int dir, const char *path, int flags, mode_t mode)
{
    struct sim_disk *d = w->hosts[sim_here(w)].disk;
    const char *from;
    struct place p = {0};
    long fd;

    (void)mode;
    if (path == NULL)
        return -EFAULT;
    fd = check_flags(&flags);
    if (fd == 0)
        fd = beginning(w, dir, path, &from);
    if (fd == 0)
        fd = resolve(d, from, path, &p);
    if (fd == 0)
        fd = open_place(w, d, &p, flags);
    free(p.name);
    return fd;
}

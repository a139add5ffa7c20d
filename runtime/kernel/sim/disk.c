/* disk.c: what is on a simulated disk: files, their names, and how much fits; and what a power
 * cut leaves of them.
 *
 * A file lives while it has a name or is open. No call unlinks, renames or makes folders yet, so a
 * name leads to its file for ever, and folders are nothing but the front part of names. A name is
 * synced with its file, or with its folder; until then a power cut may take the file away.
 *
 * A truncation puts the content aside: until it is synced, a power cut may undo it, and then all
 * that was written after it is gone. A disk that is full lets go of that first, as file systems
 * commit their journals then.
 *
 * After a power cut nobody can reach a file through what was open before (the objects are dead),
 * but they still count as opens, and free what is left of a file that is gone.
 */
#include "kernel/sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"

struct sim_disk {
    struct link files; /* of struct disk_file: oldest first, those without a name, too */
};

static struct disk_file *file_of(struct link *l)
{
    return CONTAINER(l, struct disk_file, link);
}

struct sim_disk *sim_disk_new(void)
{
    struct sim_disk *d = sim_alloc(sizeof *d);

    list_init(&d->files);
    return d;
}

/* ---- names ---- */

/* Is the file in that folder? deep: or in one inside it. */
static bool is_in(const struct disk_file *f, const char *folder, bool deep)
{
    size_t len = strlen(folder);

    return f->name && strncmp(f->name, folder, len) == 0 && f->name[len] == '/' &&
           (deep || strchr(f->name + len + 1, '/') == NULL);
}

struct disk_file *disk_find(struct sim_disk *d, const char *name)
{
    for (struct link *l = d->files.next; l != &d->files; l = l->next)
        if (file_of(l)->name && strcmp(file_of(l)->name, name) == 0)
            return file_of(l);
    return NULL;
}

bool disk_has_folder(struct sim_disk *d, const char *name)
{
    if (*name == 0 || strcmp(name, "/tmp") == 0 || strcmp(name, "/dev") == 0)
        return true;
    for (struct link *l = d->files.next; l != &d->files; l = l->next)
        if (is_in(file_of(l), name, true))
            return true;
    return false;
}

void disk_sync_names(struct sim_disk *d, const char *folder)
{
    for (struct link *l = d->files.next; l != &d->files; l = l->next)
        if (is_in(file_of(l), folder, false))
            file_of(l)->name_synced = true;
}

/* ---- a file's life ---- */

struct disk_file *disk_make(struct sim *w, struct sim_disk *d, const char *name)
{
    struct disk_file *f = sim_alloc(sizeof *f);

    f->disk = d;
    f->inode = ++w->last_inode;
    if (name) {
        f->name = sim_alloc(strlen(name) + 1);
        memcpy(f->name, name, strlen(name));
    }
    list_push_back(&d->files, &f->link);
    return f;
}

/* What was there before the truncation will not come back. */
static void commit_truncation(struct disk_file *f)
{
    content_drop(&f->before);
    f->truncated = false;
}

/* From the disk; what is left lasts as long as it is open. */
static void vanish(struct disk_file *f)
{
    commit_truncation(f);
    content_drop(&f->now);
    list_remove(&f->link);
    free(f->name);
    f->name = NULL;
    f->disk = NULL;
    if (f->opens == 0)
        free(f);
}

void disk_opened(struct disk_file *f)
{
    f->opens++;
}

void disk_closed(struct disk_file *f)
{
    ASSERT(f->opens > 0);
    if (--f->opens > 0 || f->name)
        return;
    if (f->disk)
        vanish(f);
    else
        free(f);
}

void sim_disk_free(struct sim_disk *d)
{
    if (d == NULL)
        return;
    while (!list_empty(&d->files))
        vanish(file_of(d->files.next));
    free(d);
}

/* ---- its content ---- */

void disk_truncate(struct disk_file *f)
{
    if (f->now.size == 0)
        return;
    if (f->truncated) {
        content_drop(&f->now);
        return;
    }
    f->before = f->now;
    f->now = (struct content){0};
    f->truncated = true;
}

static size_t free_pages(const struct sim *w, const struct sim_disk *d)
{
    size_t free_ones = w->options.disk_bytes / CONTENT_PAGE;

    for (struct link *l = d->files.next; l != &d->files; l = l->next) {
        size_t used = file_of(l)->now.count + file_of(l)->before.count;

        free_ones -= used < free_ones ? used : free_ones;
    }
    return free_ones;
}

size_t disk_write(struct sim *w, struct disk_file *f, const void *buf, size_t len, int64_t at)
{
    struct sim_disk *d = f->disk;
    size_t done = content_write(w, &f->now, buf, len, at, free_pages(w, d));

    if (done == len)
        return done;
    for (struct link *l = d->files.next; l != &d->files; l = l->next)
        commit_truncation(file_of(l));
    return done + content_write(w, &f->now, (const char *)buf + done, len - done,
                                at + (int64_t)done, free_pages(w, d));
}

void disk_sync(struct disk_file *f, bool data_only)
{
    content_sync(&f->now);
    commit_truncation(f);
    if (!data_only)
        f->name_synced = true;
}

void disk_fail_sync(struct disk_file *f)
{
    content_fail_sync(&f->now);
    f->failures++;
}

/* ---- a power cut ---- */

static void settle(struct sim *w, struct disk_file *f)
{
    struct content_remains r;

    if (f->truncated && sim_below(w, 2)) {
        content_drop(&f->now);
        f->now = f->before;
        f->before = (struct content){0};
        sim_tell(w, "cut: restored", (int64_t)f->inode, f->now.size);
    }
    commit_truncation(f);
    f->name_synced = true;
    r = content_cut(w, &f->now);
    sim_tell(w, "cut: size", (int64_t)f->inode, f->now.size);
    sim_tell(w, "cut: sectors", r.there, r.unsynced);
}

void sim_disk_cut(struct sim *w, struct sim_disk *d)
{
    for (struct link *l = d->files.next, *next; l != &d->files; l = next) {
        struct disk_file *f = file_of(l);

        next = l->next;
        if (f->name && (f->name_synced || sim_below(w, 2))) {
            settle(w, f);
        } else {
            sim_tell(w, "cut: gone", (int64_t)f->inode, f->now.size);
            vanish(f);
        }
    }
}

/* content.c: the bytes of a simulated file: what is cached, what is synced, what a power cut
 * leaves of the rest.
 *
 * Content is in pages, which are what is cached and counted, of sectors, which are what a disk
 * writes whole or not at all. A page's bytes are what reads see. Where the disk has something else,
 * `old` is what the disk has, and each such sector is
 *     dirty   written, and not synced yet; the kernel may write it back when it likes
 *     lost    dirty when a sync failed: never written back unless the page is written to again.
 *             Reads see it until the page is forgotten, and then what was before (as on Linux since
 *             4.16, whose fsync(2) says the error once and has nothing to sync the next time)
 * A power cut asks the seed, for each of these sectors, which of the two it is; and for the size,
 * which one since the last sync. What was synced is left alone.
 *
 * Rejected: a log of writes, to replay in part. It grows with the run, and what disks promise is by
 * sectors, not by writes. One flat buffer: files have holes.
 */
#include "kernel/sim/content.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

struct content_page {
    int64_t index;
    bool cached;
    uint8_t dirty, lost; /* a bit a sector; never both at once */
    /* What the disk has; NULL: no sector is dirty or lost. no_bytes: nothing was there. */
    const unsigned char *old;
    unsigned char bytes[CONTENT_PAGE]; /* beyond the end: 0 */
};

static const unsigned char no_bytes[CONTENT_PAGE];

/* ---- pages ---- */

/* From now on the disk has what reads see. */
static void drop_old(struct content_page *p)
{
    if (p->old != no_bytes)
        free((void *)p->old);
    p->old = NULL;
    p->dirty = p->lost = 0;
}

/* Where the page is, or would be. */
static size_t place_of(const struct content *c, int64_t index)
{
    size_t low = 0, high = c->count;

    if (high > 0 && c->pages[high - 1]->index < index)
        return high; /* files grow at their end */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->pages[middle]->index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct content_page *page_at(const struct content *c, int64_t at)
{
    int64_t index = at / CONTENT_PAGE;
    size_t i = place_of(c, index);

    return i < c->count && c->pages[i]->index == index ? c->pages[i] : NULL;
}

static void drop_pages(struct content *c, size_t from)
{
    for (size_t i = from; i < c->count; i++) {
        drop_old(c->pages[i]);
        free(c->pages[i]);
    }
    c->count = from;
}

void content_drop(struct content *c)
{
    drop_pages(c, 0);
    free(c->pages);
    *c = (struct content){0};
}

static void more_room(struct content *c)
{
    size_t room = c->room * 2 + 4;
    struct content_page **pages = sim_alloc(room * sizeof(struct content_page *));

    if (c->count > 0)
        memcpy(pages, c->pages, c->count * sizeof(struct content_page *));
    free(c->pages);
    c->pages = pages;
    c->room = room;
}

static struct content_page *make_page(struct content *c, int64_t at)
{
    struct content_page *p = sim_alloc(sizeof *p);
    size_t i;

    if (c->count == c->room)
        more_room(c);
    p->index = at / CONTENT_PAGE;
    p->old = no_bytes;
    i = place_of(c, p->index);
    memmove(&c->pages[i + 1], &c->pages[i], (c->count - i) * sizeof(struct content_page *));
    c->pages[i] = p;
    c->count++;
    return p;
}

/* ---- reading and writing ---- */

/* How much of [at, at + len) is on the page where it begins. */
static size_t part_of(size_t len, int64_t at)
{
    size_t rest = CONTENT_PAGE - (size_t)(at % CONTENT_PAGE);

    return len < rest ? len : rest;
}

static void write_page(struct sim *w, struct content_page *p, const void *buf, size_t len,
                       size_t inside)
{
    unsigned first = (unsigned)(inside / SECTOR), last = (unsigned)((inside + len - 1) / SECTOR);

    if (p->dirty && sim_below(w, 8) == 0)
        drop_old(p); /* it has been written back meanwhile */
    if (p->old == NULL) {
        unsigned char *old = sim_alloc(CONTENT_PAGE);

        memcpy(old, p->bytes, CONTENT_PAGE);
        p->old = old;
    }
    p->dirty |= p->lost | (uint8_t)((0xffu << first) & (0xffu >> (7 - last)));
    p->lost = 0;
    p->cached = true;
    memcpy(p->bytes + inside, buf, len);
}

size_t content_write(struct sim *w, struct content *c, const void *buf, size_t len, int64_t at,
                     size_t more)
{
    size_t done = 0;

    while (done < len) {
        int64_t here = at + (int64_t)done;
        size_t part = part_of(len - done, here);
        struct content_page *p = page_at(c, here);

        if (p == NULL && more-- == 0)
            break;
        write_page(w, p ? p : make_page(c, here), (const char *)buf + done, part,
                   (size_t)(here % CONTENT_PAGE));
        done += part;
    }
    if (done > 0 && at + (int64_t)done > c->size) {
        c->size = at + (int64_t)done;
        c->sizes[c->growths++ % CONTENT_SIZES] = c->size;
    }
    return done;
}

void content_read(struct content *c, void *buf, size_t len, int64_t at)
{
    for (size_t done = 0; done < len;) {
        int64_t here = at + (int64_t)done;
        size_t part = part_of(len - done, here);
        struct content_page *p = page_at(c, here);

        if (p)
            p->cached = true;
        memcpy((char *)buf + done, p ? p->bytes + here % CONTENT_PAGE : no_bytes, part);
        done += part;
    }
}

size_t content_cached(const struct content *c, size_t len, int64_t at)
{
    size_t done = 0;

    while (done < len) {
        int64_t here = at + (int64_t)done;
        const struct content_page *p = page_at(c, here);

        if (p && !p->cached)
            break;
        done += part_of(len - done, here);
    }
    return done;
}

bool content_forget(struct content *c, int64_t at)
{
    struct content_page *p = page_at(c, at);

    if (p == NULL || !p->cached)
        return false;
    if (p->lost)
        memcpy(p->bytes, p->old, CONTENT_PAGE);
    drop_old(p); /* what was dirty is written back first */
    p->cached = false;
    return true;
}

/* ---- syncing ---- */

void content_sync(struct content *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->pages[i]->dirty)
            drop_old(c->pages[i]);
    c->synced_size = c->size;
    c->growths = 0;
}

void content_fail_sync(struct content *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct content_page *p = c->pages[i];

        p->lost |= p->dirty;
        p->dirty = 0;
    }
}

/* ---- a power cut ---- */

/* One that there was since the last sync, or as far as sectors were written. */
static int64_t size_left(struct sim *w, const struct content *c)
{
    unsigned kept = c->growths < CONTENT_SIZES ? c->growths : CONTENT_SIZES;
    uint64_t pick = sim_below(w, kept + 2);
    int64_t size;

    if (pick < kept)
        return c->sizes[pick];
    if (pick == kept || c->size == c->synced_size)
        return c->synced_size;
    size = c->synced_size + (int64_t)sim_below(w, (uint64_t)(c->size - c->synced_size));
    size -= size % SECTOR;
    return size > c->synced_size ? size : c->synced_size;
}

static void settle(struct sim *w, struct content_page *p, unsigned of_8, struct content_remains *r)
{
    unsigned unsynced = p->dirty | p->lost;

    for (unsigned i = 0; i < CONTENT_PAGE / SECTOR; i++) {
        if (!(unsynced >> i & 1))
            continue;
        r->unsynced++;
        if (sim_below(w, 8) < of_8)
            r->there++;
        else
            memcpy(p->bytes + i * SECTOR, p->old + i * SECTOR, SECTOR);
    }
    drop_old(p);
    p->cached = false;
}

static void cut_off(struct content *c, int64_t size)
{
    size_t inside = (size_t)(size % CONTENT_PAGE);
    struct content_page *last = inside > 0 ? page_at(c, size) : NULL;

    drop_pages(c, place_of(c, (size + CONTENT_PAGE - 1) / CONTENT_PAGE));
    if (last)
        memset(last->bytes + inside, 0, CONTENT_PAGE - inside);
    c->size = c->synced_size = size;
    c->growths = 0;
}

struct content_remains content_cut(struct sim *w, struct content *c)
{
    struct content_remains r = {0, 0};
    unsigned of_8 = (unsigned)sim_below(w, 9); /* none and all are among the likely ones */

    for (size_t i = 0; i < c->count; i++)
        settle(w, c->pages[i], of_8, &r);
    cut_off(c, size_left(w, c));
    return r;
}

/* fds.c: the table of descriptors. See fds.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/plant.h"
#include "base/report.h"
#include "kernel/fds_parts.h"

enum { BLOCK = 64, WATCH_EVENTS = POLLIN | POLLOUT | POLLRDHUP | POLLPRI };

/* A watch outlives its entry's use of it until the kernel has confirmed its end. */
struct watch {
    struct fd_entry *entry;
    struct kernel *k;
    bool abandoned; /* the entry no longer has it, but counts it among the ending ones */
    struct kop op;
};

int fds_new(struct kernel *k)
{
    k->fds = calloc(1, sizeof *k->fds);
    if (k->fds == NULL)
        return -ENOMEM;
    slab_init(&k->fds->watches, (sizeof(struct watch) + 63) / 64 * 64);
    return 0;
}

void fds_free(struct fds *t)
{
    for (size_t i = 0; i < t->block_count; i++)
        free(t->blocks[i]);
    free(t->blocks);
    slab_fini(&t->watches);
    free(t);
}

void fds_reset(struct kernel *k, struct fd_entry *e)
{
    e->kind = FD_UNKNOWN;
    e->ready = FD_IN | FD_OUT | FD_POSITION;
    e->ended = false;
    e->shut = k->share ? FD_FRESH : FD_IN_USE;
    e->checked = FD_UNSEEN;
    e->life++;
    e->kept = 0;
    e->watch = NULL;
    e->drained = NULL;
}

static int add_block(struct kernel *k, size_t index)
{
    struct fds *t = k->fds;
    struct fd_entry *block;

    if (index >= t->block_count) {
        size_t count = index + 1 > t->block_count * 2 ? index + 1 : t->block_count * 2;
        struct fd_entry **blocks = realloc(t->blocks, count * sizeof *blocks);

        if (blocks == NULL)
            return -ENOMEM;
        memset(blocks + t->block_count, 0, (count - t->block_count) * sizeof *blocks);
        t->blocks = blocks;
        t->block_count = count;
    }
    block = aligned_alloc(_Alignof(struct fd_entry), BLOCK * sizeof *block);
    if (block == NULL)
        return -ENOMEM;
    memset(block, 0, BLOCK * sizeof *block);
    for (int i = 0; i < BLOCK; i++) {
        block[i].fd = (int)index * BLOCK + i;
        list_init(&block[i].waits);
        list_init(&block[i].ops);
        fds_reset(k, &block[i]);
    }
    t->blocks[index] = block;
    return 0;
}

struct fd_entry *fds_find(struct kernel *k, int fd)
{
    size_t index = (size_t)fd / BLOCK;

    if (fd < 0 || index >= k->fds->block_count || k->fds->blocks[index] == NULL)
        return NULL;
    return &k->fds->blocks[index][fd % BLOCK];
}

/* A call begins, and the entry is not in use. Where it was closed here, who comes before the word
 * of that does mean the old file; but not if another worker was given the number since. */
static int enter(struct kernel *k, struct fd_entry *e)
{
    int err;

    if (k->share == NULL)
        return -EBADF;
    if (e->shut != FD_FRESH) {
        if (e->drained || !list_empty(&e->ops) || fd_share_life(k->share, e->fd) == e->claimed)
            return -EBADF;
        fds_reset(k, e);
    }
    err = fd_share_enter(k->share, e->fd, k->worker);
    if (err == 0)
        e->shut = FD_IN_USE;
    return err;
}

__attribute__((cold, noinline)) static int get_slow(struct kernel *k, int fd,
                                                    struct fd_entry **out_e)
{
    struct fd_entry *e = fds_find(k, fd);

    if (e == NULL) {
        struct fd_identity ignored;
        /* The table never grows for a number that is none: it could be any. */
        int err = k->room->identify(k, fd, &ignored);

        err = err < 0 ? err : add_block(k, (size_t)fd / BLOCK);
        if (err < 0)
            return err;
        e = fds_find(k, fd);
    }
    *out_e = e;
    return e->shut == FD_IN_USE ? 0 : enter(k, e);
}

int fds_get(struct kernel *k, int fd, struct fd_entry **out_e)
{
    struct fd_entry *e = fds_find(k, fd);

    if (__builtin_expect(e == NULL || e->shut != FD_IN_USE, 0))
        return get_slow(k, fd, out_e);
    *out_e = e;
    return 0;
}

int fds_identify(struct kernel *k, struct fd_entry *e)
{
    int err = k->room->identify(k, e->fd, &e->identity);

    if (err == 0)
        e->kind = (uint8_t)e->identity.kind;
    return err;
}

/* ---- waiting and the watch ---- */

static void wake(struct kernel *k, struct fd_wait *w, int result)
{
    list_remove(&w->link);
    k->fds->waiting--;
    w->wake(w, result);
}

void fds_wake_all(struct kernel *k, struct fd_entry *e, int result)
{
    while (!list_empty(&e->waits))
        wake(k, CONTAINER(e->waits.next, struct fd_wait, link), result);
}

static void wake_ready(struct kernel *k, struct fd_entry *e, int result)
{
    for (struct link *l = e->waits.next, *next; l != &e->waits; l = next) {
        struct fd_wait *w = CONTAINER(l, struct fd_wait, link);

        next = l->next;
        if (!(w->want & e->ready))
            continue;
        wake(k, w, result);
        if (PLANTED(ONE_WAKEUP))
            return;
    }
}

static void note(struct fd_entry *e, long events)
{
    e->events++;
    if (events & (POLLIN | POLLRDHUP | POLLHUP | POLLERR | POLLPRI))
        e->ready |= FD_IN;
    if (events & (POLLOUT | POLLHUP | POLLERR))
        e->ready |= FD_OUT;
    /* What ended is no edge any more, and urgent data splits a read: only -EAGAIN is sure now. The
     * kernel says POLLIN | POLLPRI for any data that comes; where there is urgent data, two wakes
     * merge and it looks again, and then tells of POLLOUT as well, if there is room to send. */
    if (events & (POLLRDHUP | POLLHUP | POLLERR) ||
        (events & POLLPRI && (events != (POLLIN | POLLPRI) || !(e->ready & FD_OUT))))
        e->ended = !PLANTED(MISSED_END);
}

static void on_event(struct kop *op, long events)
{
    struct watch *watch = CONTAINER(op, struct watch, op);

    if (watch->abandoned || events < 0)
        return;
    if (PLANTED(LOST_WAKEUP) && list_empty(&watch->entry->waits))
        return;
    note(watch->entry, events);
    wake_ready(watch->k, watch->entry, 0);
}

static int arm(struct kernel *k, struct fd_entry *e);

/* The kernel has ended the watch: we asked, or it does so at times (CQ overflow, hazard 25). */
static void on_end(struct kop *op)
{
    struct watch *watch = CONTAINER(op, struct watch, op);
    struct fd_entry *e = watch->entry;
    struct kernel *k = watch->k;
    bool abandoned = watch->abandoned;
    int err = op->result < 0 ? (int)op->result : 0;

    slab_give(&k->fds->watches, watch);
    if (abandoned) {
        e->ending--;
        fds_settle(k, e);
        return;
    }
    e->watch = NULL;
    if (err == 0)
        note(e, op->result);
    else
        e->ready |= FD_IN | FD_OUT; /* unwatchable: let the calls themselves say what is wrong */
    wake_ready(k, e, err == -ENOMEM ? err : 0); /* which of this they would not know */
    if (!list_empty(&e->waits) && (err = arm(k, e)) < 0)
        fds_wake_all(k, e, err);
}

static int arm(struct kernel *k, struct fd_entry *e)
{
    int err = e->kind == FD_UNKNOWN ? fds_identify(k, e) : 0;
    struct watch *watch;

    if (err < 0)
        return err;
    watch = slab_take(&k->fds->watches);
    if (watch == NULL)
        return -ENOMEM;
    *watch = (struct watch){
        .op = {.code = KOP_WATCH,
               .fd = e->fd,
               .flags = WATCH_EVENTS,
               .done = on_end,
               .event = on_event},
        .k = k,
        .entry = e,
    };
    e->watch = watch;
    k->room->submit(k, &watch->op);
    return 0;
}

void fds_abandon_watch(struct kernel *k, struct fd_entry *e)
{
    struct watch *watch = e->watch;

    if (watch == NULL)
        return;
    e->watch = NULL;
    e->ending++;
    watch->abandoned = true;
    k->room->cancel(k, &watch->op);
}

int fds_wait(struct kernel *k, struct fd_entry *e, struct fd_wait *w)
{
    int err;

    if (__builtin_expect(e->shut != FD_IN_USE, 0))
        return -EBADF;
    err = e->watch || w->want == FD_POSITION ? 0 : arm(k, e);
    if (err < 0)
        return err;
    e->checked = FD_UNSEEN;
    list_push_back(&e->waits, &w->link);
    k->fds->waiting++;
    return 0;
}

void fds_unwait(struct kernel *k, struct fd_wait *w)
{
    list_remove(&w->link);
    k->fds->waiting--;
}

void fds_give_position(struct kernel *k, struct fd_entry *e)
{
    e->ready |= FD_POSITION;
    for (struct link *l = e->waits.next; l != &e->waits; l = l->next) {
        struct fd_wait *w = CONTAINER(l, struct fd_wait, link);

        if (w->want == FD_POSITION) {
            wake(k, w, 0);
            return;
        }
    }
}

/* ---- operations and closing ---- */

void fds_add_op(struct fd_entry *e, struct kop *op)
{
    list_push_back(&e->ops, &op->on_fd);
}

/* ---- descriptors that changed behind our back ---- */

bool fds_leads_elsewhere(struct kernel *k, const struct fd_entry *e)
{
    struct fd_identity now;

    return k->room->identify(k, e->fd, &now) < 0 || now.device != e->identity.device ||
           now.inode != e->identity.inode;
}

bool fds_stale(struct kernel *k, struct fd_entry *e)
{
    return e->watch && e->kind != FD_UNKNOWN && fds_leads_elsewhere(k, e);
}

/* The waiters meant the number: they try again on what it leads to now, and get -EBADF from the
 * kernel if that is nothing. */
static void renew(struct kernel *k, struct fd_entry *e)
{
    fds_abandon_watch(k, e);
    e->kind = FD_UNKNOWN;
    e->ended = false;
    e->ready |= FD_IN | FD_OUT;
    wake_ready(k, e, 0);
}

/* All eventfds, timerfds and their like share one inode: whether this is still the same one
 * cannot be told, but a new watch is on the one that is there now. */
static void watch_anew(struct kernel *k, struct fd_entry *e)
{
    int err;

    fds_abandon_watch(k, e);
    err = arm(k, e);
    if (err < 0)
        fds_wake_all(k, e, err);
}

bool fds_verify(struct kernel *k)
{
    bool more = false;
    int at = 0;

    if (k->fds->waiting == 0)
        return false;
    for (struct fd_entry *e; (e = fds_each(k, &at));) {
        if (list_empty(&e->waits) || e->checked == FD_CHECKED)
            continue;
        if (e->checked == FD_SEEN) {
            if (fds_stale(k, e))
                renew(k, e);
            else if (e->kind == FD_OTHER && e->watch)
                watch_anew(k, e);
            e->checked = FD_CHECKED;
        } else {
            e->checked = FD_SEEN;
            more = true;
        }
    }
    return more;
}

size_t fds_waiting(const struct kernel *k)
{
    return k->fds->waiting;
}

bool fds_at_rest(struct kernel *k)
{
    int at = 0;

    for (struct fd_entry *e; (e = fds_each(k, &at));)
        if (!list_empty(&e->waits) || !list_empty(&e->ops) || e->shut >= FD_CLOSING ||
            !(e->ready & FD_POSITION))
            return false;
    return k->fds->waiting == 0;
}

struct fd_entry *fds_each(struct kernel *k, int *at)
{
    for (; (size_t)*at / BLOCK < k->fds->block_count; *at = (*at / BLOCK + 1) * BLOCK)
        if (k->fds->blocks[*at / BLOCK])
            return fds_find(k, (*at)++);
    return NULL;
}

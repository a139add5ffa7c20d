/* fds_close.c: an entry's way out of use: closed here, left for a close elsewhere, given anew. */
#include <errno.h>

#include "base/plant.h"
#include "base/report.h"
#include "kernel/fds_parts.h"

/* The closer itself hands over the watch's end and the close in one step, in this order; for others
 * only the end itself will do. */
static bool busy(const struct fd_entry *e)
{
    return !list_empty(&e->ops) || (e->shut == FD_LEAVING && e->ending);
}

void fds_settle(struct kernel *k, struct fd_entry *e)
{
    void (*drained)(struct fd_entry *) = e->drained;

    if (__builtin_expect(drained == NULL, 1) || busy(e))
        return;
    e->drained = NULL;
    if (e->shut == FD_LEAVING) {
        k->fds->waiting--;
        fds_reset(k, e);
    }
    drained(e);
}

void fds_remove_op(struct kernel *k, struct fd_entry *e, struct kop *op)
{
    list_remove(&op->on_fd);
    fds_settle(k, e);
}

int fds_claim(struct kernel *k, struct fd_entry *e, struct fd_users *out_others)
{
    int err;

    *out_others = (struct fd_users){0};
    if (k->share == NULL)
        return 0;
    err = fd_share_close(k->share, e->fd, k->worker, out_others);
    if (err == 0)
        e->claimed = out_others->life;
    return err;
}

static bool shut_down(struct kernel *k, struct fd_entry *e, enum fd_shut how)
{
    ASSERT(e->shut == FD_IN_USE);
    e->shut = (uint8_t)how;
    fds_wake_all(k, e, -EBADF);
    if (!PLANTED(SURVIVING_WATCH))
        fds_abandon_watch(k, e);
    for (struct link *l = e->ops.next, *next; l != &e->ops; l = next) {
        struct kop *op = CONTAINER(l, struct kop, on_fd);

        next = l->next;
        op->closing = true;
        k->room->cancel(k, op);
        if (PLANTED(DOUBLE_COMPLETION))
            op->done(op);
    }
    return busy(e);
}

bool fds_close_begin(struct kernel *k, struct fd_entry *e)
{
    return shut_down(k, e, FD_CLOSING);
}

void fds_close_given(struct kernel *k, struct fd_entry *e)
{
    if (k->share)
        fd_share_given(k->share, e->fd, e->claimed);
}

void fds_close_end(struct kernel *k, struct fd_entry *e)
{
    ASSERT(e->shut == FD_CLOSING && list_empty(&e->ops) && list_empty(&e->waits));
    fds_reset(k, e);
    if (k->share)
        fd_share_closed(k->share, e->fd, e->claimed);
}

bool fds_leave(struct kernel *k, int fd, void (*drained)(struct fd_entry *e), void *closer)
{
    struct fd_entry *e = fds_find(k, fd);

    if (e == NULL || e->shut != FD_IN_USE)
        return false;
    if (!shut_down(k, e, FD_LEAVING)) {
        fds_reset(k, e);
        return false;
    }
    e->drained = drained;
    e->closer = closer;
    k->fds->waiting++; /* or this worker could take itself for one that nothing will wake */
    return true;
}

/* ---- numbers that come back ---- */

/* All this was on the file that had the number before. */
static void forget(struct kernel *k, struct fd_entry *e)
{
    fds_wake_all(k, e, -EBADF);
    fds_abandon_watch(k, e);
    while (list_pop_front(&e->ops))
        ; /* they end by themselves */
    fds_reset(k, e);
}

struct fd_users fds_fresh(struct kernel *k, int fd)
{
    struct fd_entry *e = fds_find(k, fd);

    if (e && e->shut == FD_IN_USE)
        forget(k, e);
    else if (e && e->shut != FD_FRESH && list_empty(&e->ops) && e->drained == NULL)
        fds_reset(k, e); /* closed: only the word of it is still on its way (what is flushed) */
    return k->share ? fd_share_fresh(k->share, fd, k->worker) : (struct fd_users){0};
}

/* It may have been used here for its new file already, and not have been used for the old one:
 * where the file is known and is the one that is there now, so it is. */
void fds_given_anew(struct kernel *k, int fd, uint32_t life)
{
    struct fd_entry *e = fds_find(k, fd);

    if (e == NULL || e->shut != FD_IN_USE || e->kind == FD_UNKNOWN)
        return;
    if (fd_share_life(k->share, fd) == life && (e->kind == FD_OTHER || fds_leads_elsewhere(k, e)))
        forget(k, e);
}

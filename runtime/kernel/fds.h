/* fds.h: what a worker knows of its descriptors: readiness, who waits, what is under way.
 *
 * An entry per number, made when the number is first used, at an address that stays.
 *     fresh -> in use (identified, watched lazily) -> closing, or leaving -> fresh
 * With several workers each has entries of its own, and says in fd_share.h that a number is in
 * use. The one that closes is `closing`; the others are `leaving` before it goes on: nobody waits,
 * and the ends of operations and watches were seen. With one, fresh is in use at once.
 * `ready` is a promise from the past: a set bit means that a call is worth trying, a clear bit
 * that the watch will tell when it is. So a call tries only where the bit is set, and parks
 * without a system call where it is not. A fresh entry is optimistic (both bits set); the watch
 * (multishot, edge) is armed at the first wait, and lives until the descriptor is closed.
 *
 * The watch holds the open file, not the number. With a watch armed, close(2) sends no FIN, so
 * fds_close_begin() ends it. Whoever calls raw close(2) leaves a watch on the old file behind,
 * and the number may be given to a new one (hazard 49). Three defences: a number that the kernel
 * just gave us is fresh by definition (fds_fresh); waits that have lasted a while are checked
 * against the file's identity (fds_verify); the dump lists watches whose file is gone.
 *
 * Rejected: checking the identity at each park (an fstat is 5 % of an echo).
 */
#ifndef KERNEL_FDS_H
#define KERNEL_FDS_H

#include "kernel/fd_share.h"
#include "kernel/kernel.h"

/* FD_POSITION: nobody is half-way through a read or write at the file's position. */
enum { FD_IN = 1, FD_OUT = 2, FD_POSITION = 4 };

enum fd_shut { FD_IN_USE, FD_FRESH, FD_CLOSING, FD_LEAVING };

enum fd_checked { FD_UNSEEN, FD_SEEN, FD_CHECKED };

/* One who waits for readiness; lies on the waiter's stack. */
struct fd_wait {
    struct link link;
    uint8_t want; /* FD_IN, FD_OUT; or FD_POSITION, for which nothing is watched */
    /* Called once, the wait no longer linked: 0, or -errno (-EBADF: closed meanwhile). */
    void (*wake)(struct fd_wait *w, int result);
};

/* What a call touches comes first, and an entry starts a cache line. */
struct fd_entry {
    _Alignas(64) struct link waits; /* of struct fd_wait, oldest first */
    struct watch *watch;            /* armed, or NULL */
    int fd;
    uint8_t kind;    /* enum fd_kind */
    uint8_t ready;   /* FD_IN, FD_OUT, FD_POSITION */
    uint8_t checked; /* enum fd_checked: how far fds_verify() is with the waits that are here */
    bool ended;      /* hang-up or error was seen: a short read need not mean empty */
    uint8_t shut;    /* enum fd_shut: 0, a call may go on */
    uint32_t life; /* how many files have had this number: a call keeps to the one it began with */
    uint32_t events; /* how often the watch spoke */
    int kept; /* an error that came behind data that a call returned: the next read says it */
    struct link ops;                     /* of struct kop */
    struct fd_identity identity;         /* when kind is known */
    void (*drained)(struct fd_entry *e); /* closing or leaving: the last operation is gone */
    void *closer;                        /* the drained() callback's own */
    uint32_t ending;                     /* watches that the kernel was asked to end */
    uint32_t claimed;                    /* the life that is being closed, in fd_share.h's count */
};

int fds_new(struct kernel *k);
void fds_free(struct fds *t);

/* The entry of a number: 0, -EBADF (no such descriptor, or being closed), -ENOMEM; -EAGAIN: its
 * close is with the kernel, and it may be another file's by now: ask again when others have run. */
int fds_get(struct kernel *k, int fd, struct fd_entry **out_e);
int fds_identify(struct kernel *k, struct fd_entry *e);
/* The kernel has just given us this number. Other workers that had it in use, and were not reached
 * by an rv_close, are to call fds_given_anew() with that life. */
struct fd_users fds_fresh(struct kernel *k, int fd);
void fds_given_anew(struct kernel *k, int fd, uint32_t life);

/* Waiting: arms the watch if need be. 0, -ENOMEM, -EBADF (being closed), or as identify(). */
int fds_wait(struct kernel *k, struct fd_entry *e, struct fd_wait *w);
void fds_unwait(struct kernel *k, struct fd_wait *w);

/* A try said -EAGAIN: wait for the watch before the next one. */
static inline void fds_spent(struct fd_entry *e, uint8_t bits)
{
    e->ready &= (uint8_t)~bits;
}

/* Whoever cleared FD_POSITION is done: the next one's turn. */
void fds_give_position(struct kernel *k, struct fd_entry *e);

void fds_add_op(struct fd_entry *e, struct kop *op);
void fds_remove_op(struct kernel *k, struct fd_entry *e, struct kop *op);

/* First of all: 0, nobody else closes it, and the others here must leave; -EBADF. */
int fds_claim(struct kernel *k, struct fd_entry *e, struct fd_users *out_others);
/* Wakes and cancels all that is under way. True: some operations must still come back;
 * drained() will be called when they have. */
bool fds_close_begin(struct kernel *k, struct fd_entry *e);
void fds_close_given(struct kernel *k, struct fd_entry *e); /* the kernel is about to have it */
/* The number is free; not if e->life has moved on. */
void fds_close_end(struct kernel *k, struct fd_entry *e);

/* Another worker closes it. True: drained() will be called, with `closer` in the entry; the watch
 * has ended, too, and the entry is fresh. False: all that is so already. */
bool fds_leave(struct kernel *k, int fd, void (*drained)(struct fd_entry *e), void *closer);

/* Waits that are older than the last call are checked once. True: some are yet to be checked. */
bool fds_verify(struct kernel *k);

/* For dump and deadlock report. */
size_t fds_waiting(const struct kernel *k);
bool fds_at_rest(struct kernel *k); /* nobody waits, nothing is under way; looks at all of them */
struct fd_entry *fds_each(struct kernel *k, int *at); /* start with 0; NULL: no more */
bool fds_stale(struct kernel *k, struct fd_entry *e); /* watched, but the number leads elsewhere */

#endif

/* kernel.h: the seam between the runtime and the world.
 *
 * A room is one way to reach a kernel: io_uring (uring.c), or epoll and helper threads (epoll.c).
 * It offers two things. Calls that never wait, and say -EAGAIN instead. And operations, each a
 * struct kop that its owner keeps (mostly on a waiting task's stack) until done() is called,
 * exactly once, from within step() or cancel(). The room knows no task: a completion is handed
 * to whoever asked.
 *
 * An operation is
 *     idle -> queued (we have it) -> given (the kernel has it, buffers and all) -> idle, done()
 * and a cancel of it none -> wanted -> given -> none. done() waits for both: the kernel must
 * have answered the operation itself, since its answer alone is the outcome (hazard 19), and
 * the cancel, since a cancel names its target by address and must never meet the next operation
 * at the same address. submit() never fails and never enters the kernel: what finds no room in
 * the ring stays queued (hazard 21).
 *
 * KOP_WATCH is the one operation that speaks more than once: event() with poll(2) bits, each
 * time readiness changes, until done().
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/list.h"

enum kop_code {
    KOP_READ,    /* addr, len, offset (-1: the file's position) */
    KOP_WRITE,   /* the same */
    KOP_ACCEPT,  /* addr: sockaddr or NULL, addr_len, flags of accept4 */
    KOP_CONNECT, /* addr: sockaddr, len, offset: 1 for one that is under way already */
    KOP_OPENAT,  /* fd: the folder, addr: path, flags, len: mode, offset: 1 to really wait */
    KOP_FSYNC,   /* flags: 1 for fdatasync */
    KOP_CLOSE,   /* fd, flags: enum fd_kind, what the fd was last known to lead to */
    KOP_WATCH,   /* fd, flags: poll(2) bits */
};

enum kop_state { KOP_IDLE, KOP_QUEUED, KOP_GIVEN };

/* What a completion touches comes first, to lie on one cache line. */
struct kop {
    void (*done)(struct kop *op);
    void (*event)(struct kop *op, long result); /* KOP_WATCH only */
    long result;                                /* valid in done() and after */
    uint8_t code;                               /* enum kop_code */
    uint8_t state;                              /* enum kop_state, the room's */
    uint8_t cancel;                             /* the same, for the cancel */
    bool closing; /* its fd is being closed: -EBADF is what it should say */
    int fd;
    void *addr;
    uint64_t offset;
    uint32_t len;
    uint32_t flags;
    socklen_t *addr_len;
    void *errand;             /* while given: the room's own */
    struct link queue;        /* while queued */
    struct link cancel_queue; /* while its cancel is queued */
    struct link on_fd;        /* fds.h: what is under way on one fd */
};

/* What a descriptor leads to, and which one: the same number may lead elsewhere tomorrow. */
enum fd_kind {
    FD_UNKNOWN,
    FD_TCP,    /* a stream socket whose short read means empty */
    FD_STREAM, /* any other stream socket */
    FD_SOCKET, /* any other socket */
    FD_PIPE,
    FD_FILE,  /* always ready: the page cache or the ring answers */
    FD_OTHER, /* terminals, eventfds, devices */
};

struct fd_identity {
    enum fd_kind kind;
    uint64_t device, inode;
};

enum { KERNEL_WHY = 200 };

struct sim_config;
struct fd_share;

struct kernel_config {
    const char *backend; /* a room's name, or "auto": the best that works here */
    unsigned ring_entries, cq_entries;
    struct sim_config *sim; /* of a simulated world */
    struct fd_share *share; /* of a runtime with several workers, else NULL */
    bool crowded; /* more workers than CPUs: looking on before a step blocks would hold others up */
};

struct kernel;

struct kernel_room {
    const char *name;
    /* 0; or -errno, and out_why says why, in KERNEL_WHY bytes at most. */
    int (*open)(struct kernel **out_k, const struct kernel_config *config, char *out_why);
    void (*close)(struct kernel *k); /* no operation but watches is under way */

    void (*submit)(struct kernel *k, struct kop *op);
    void (*cancel)(struct kernel *k,
                   struct kop *op); /* op is queued or given; asking twice is harmless */
    /* Hands over what is queued, waits until `until` or a completion if there is nothing yet, and
     * calls done() and event() for what has come. until in the past: does not wait. May come back
     * early. */
    void (*step)(struct kernel *k, int64_t until);
    int64_t (*now)(struct kernel *k);

    /* These never wait: a result, or -errno with -EAGAIN for "not now", and never -EINTR.
     * Offset -1: the position. */
    ssize_t (*recv)(struct kernel *k, int fd, void *buf, size_t len, int flags);
    ssize_t (*send)(struct kernel *k, int fd, const void *buf, size_t len, int flags);
    ssize_t (*read)(struct kernel *k, int fd, void *buf, size_t len,
                    off_t at); /* -EOPNOTSUPP: can't tell */
    ssize_t (*write)(struct kernel *k, int fd, const void *buf, size_t len,
                     off_t at); /* the same */
    int (*poll)(struct kernel *k, int fd, short events);
    int (*identify)(struct kernel *k, int fd, struct fd_identity *out);

    /* Nor do these, which set a descriptor up. New ones are close-on-exec. */
    int (*socket)(struct kernel *k, int domain, int type, int protocol);
    int (*socketpair)(struct kernel *k, int domain, int type, int protocol, int fds[2]);
    int (*pipe)(struct kernel *k, int fds[2], int flags);
    int (*bind)(struct kernel *k, int fd, const struct sockaddr *addr, socklen_t len);
    int (*listen)(struct kernel *k, int fd, int backlog);
    int (*shutdown)(struct kernel *k, int fd, int how);
    int (*setsockopt)(struct kernel *k, int fd, int level, int name, const void *value,
                      socklen_t len);
    int (*getsockopt)(struct kernel *k, int fd, int level, int name, void *value, socklen_t *len);
    int (*getsockname)(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len);
    int (*getpeername)(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len);
    void (*random)(struct kernel *k, void *buf, size_t len);
};

struct fds;

/* Another one goes on: if the seed says so; if one can; k's waits for one, so one will. */
enum kernel_turn { TURN_MAY, TURN_SHALL, TURN_MUST };

struct kernel {
    const struct kernel_room *room;
    struct fds *fds;        /* this worker's descriptors: fds.h */
    struct fd_share *share; /* NULL: there is no other worker */
    unsigned worker;        /* its number there */
    size_t under_way;       /* operations but watches: submitted, not done */
    char why[KERNEL_WHY];   /* a better room is not to be had; "": there is none */
    /* What only a simulated world has: a say in who runs next, one of n (NULL: first come, first
     * served); and a last word, when it knows that this run comes to no end. */
    unsigned (*choose)(struct kernel *k, unsigned n);
    const char *verdict;
    /* What only one has whom other threads may call, else NULL. Asked by a step that looks on, and
     * with `parking` as the last thing before it blocks: true, there is something, and it must not
     * block. From then until the step is back, kernel_ring() wakes it. */
    bool (*called)(struct kernel *k, bool parking);
    /* Of a simulated world with several workers, which take turns on one thread. turn: at a point
     * where others could come first (enum kernel_turn). go_on: leaves k's worker for another, and
     * comes back when one leaves for this; the workers' own, NULL for one that is over. rung: what
     * a bell is there. */
    void (*turn)(struct kernel *k, enum kernel_turn how);
    void (*go_on)(struct kernel *k, struct kernel *to);
    bool rung;
    int bell; /* an eventfd; -1: there is none */
    struct kop *bell_watch;
};

extern const struct kernel_room uring_room, epoll_room, sim_room;

/* Opens the room that config names, or the best one: 0; or -errno, and a line on stderr. */
int kernel_open(struct kernel **out_k, const struct kernel_config *config);
void kernel_close(struct kernel *k);

/* From here on the step may be woken by kernel_ring(), from any thread. 0 or -errno. */
int kernel_hang_bell(struct kernel *k, bool (*called)(struct kernel *k, bool parking));
void kernel_ring(struct kernel *k);

static inline bool kernel_called(struct kernel *k, bool parking)
{
    return __builtin_expect(k->called != NULL, 0) && k->called(k, parking);
}

#endif

/* reeve.h: green threads with their own stacks, parked on io_uring completions.
 *
 * What every call here keeps:
 *  - Whatever may wait is marked RV_WAITS: on every path a point where another task may
 *    run, and a point where a cancellation is noticed. It returns >= 0, or -errno; errno
 *    itself is never the channel. What differs: rv_group_close, which passes a cancel on to
 *    its tasks and joins them, and rv_close wait and are never cut short; nor are rv_cancel,
 *    rv_group_cancel and rv_dump, which wait for other workers; rv_go, rv_go_copy and rv_go_on
 *    wait in a full group, and where a cancel ends that, it fails the group.
 *  - The result wins: a call that moved bytes or opened an fd says so even if a cancel
 *    arrived meanwhile, and the next call says -ECANCELED.
 *  - A call returns only when the kernel is done with its buffers. Buffers on the stack are safe.
 *  - A task never changes OS thread. Between two waits nothing else of its worker runs.
 *  - No task outlives its group. The first error of a group is what its close returns.
 *
 * docs/semantics.md says of each call whether it waits, cancels, or may be partial.
 */
#ifndef REEVE_H
#define REEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define RV_WAITS __attribute__((warn_unused_result))

/* ---- time: nanoseconds on CLOCK_MONOTONIC, an instant or a span ---- */

typedef int64_t rv_time;
#define RV_NEVER INT64_MAX
#define RV_US ((rv_time)1000)
#define RV_MS (1000 * RV_US)
#define RV_S (1000 * RV_MS)

rv_time rv_now(void);
rv_time rv_after(rv_time span); /* rv_now() + span, saturating: no overflow, RV_NEVER stays never */
RV_WAITS int rv_sleep(rv_time span);
RV_WAITS int rv_sleep_until(rv_time when);
RV_WAITS int rv_yield(void); /* let whoever is ready run first */

/* ---- run: the runtime's life ---- */

typedef int rv_fn(void *arg); /* 0, or -errno: fails its group */

/* A field that is zero is taken from its REEVE_ variable, and where that is not set, from the
 * default. */
typedef struct rv_options {
    const char *backend;   /* REEVE_BACKEND: "auto", "uring", "epoll" or "sim" */
    size_t stack_bytes;    /* REEVE_STACK: usable bytes of a task's stack; 64K */
    size_t tasks_max;      /* REEVE_TASKS_MAX: live tasks, started or not; unlimited */
    unsigned ring_entries; /* REEVE_RING: submission queue; 256 */
    unsigned cq_entries;   /* REEVE_CQ: completion queue; 4096 */
    bool wipe_stacks;      /* REEVE_WIPE=1: a finished task's stack is zeroed before the next use */
    unsigned workers;      /* REEVE_WORKERS: a number, or RV_WORKERS_AUTO ("auto"); 1 */
    bool pin_workers;      /* REEVE_PIN=1: each worker keeps to a CPU of its own */
    unsigned watchdog_ms;  /* REEVE_WATCHDOG: a task that keeps its worker so long is named on
                              stderr; 100 with several workers, else never. RV_WATCHDOG_OFF */
} rv_options;

/* As many as this process may use CPUs at once: its affinity, and its cgroup's quota. */
#define RV_WORKERS_AUTO (~0u)
#define RV_WATCHDOG_OFF (~0u)

/* Runs fn as the first task and returns its result when it ends. Negative before fn ran: the
 * runtime could not start, and stderr says why. -EDEADLK: every task slept and nothing could
 * have woken one; all were cancelled, the report is on stderr, and fn failed. */
int rv_run(rv_fn *fn, void *arg, const rv_options *opt);

/* What the runtime stands on: "uring", "epoll" or "sim". *out_why, if asked for: why it is not a
 * better one; "" where it is the best, or was asked for by name. */
const char *rv_backend(const char **out_why);

/* ---- scopes: deadlines and cancellation ----
 * Inside a cancelled scope every RV_WAITS call fails with -ECANCELED until the scope closes.
 * Scopes close in reverse order, in the task that opened them. A deadline is an instant:
 * rv_after(span), or RV_NEVER; a bare span is an instant long past. */

typedef struct rv_scope rv_scope; /* caller-allocated; opening cannot fail */
void rv_scope_open(rv_scope *s, rv_time deadline);
/* A shield: outer cancels wait outside; give it a deadline. */
void rv_shield_open(rv_scope *s, rv_time deadline);
void rv_cancel(rv_scope *s); /* from any task; waits, if the scope is another worker's */
bool rv_cancelled(void);
/* Pass the body's result through. A cancellation that this scope caused ends here:
 * its deadline becomes -ETIMEDOUT, its rv_cancel becomes 0. */
int rv_scope_close(rv_scope *s, int result);

/* ---- groups: every task has one ---- */

typedef struct rv_group rv_group; /* caller-allocated; a scope and the tasks in it */
/* A task runs on the worker that spawns it: on this one, unless rv_go_on said otherwise. */
void rv_group_open(rv_group *g, rv_time deadline);
/* Its tasks start on any worker, and stay there: idle workers take those that have not started.
 * Whatever a task opens and spawns itself is on its own worker. */
void rv_spread_open(rv_group *g, rv_time deadline);
void rv_group_limit(rv_group *g, size_t live_max); /* rv_go then waits for room */
void rv_group_stack(rv_group *g, size_t bytes);    /* usable stack of tasks spawned from now on */
/* Tasks spawned from now on have a floating-point environment of their own. */
void rv_group_fenv(rv_group *g);
void rv_group_cancel(rv_group *g); /* rv_cancel on the group's scope */

/* A failure to start fails the group, so a loop of rv_go needs no check; the try forms never
 * wait and tell you. rv_go passes the pointer on; rv_go_copy gives the task its own copy of
 * len bytes, so that a caller's local may go away. */
#define rv_go(g, fn, ...) rv_go_at((g), (fn), __VA_ARGS__, RV_SITE(fn))
#define rv_go_copy(g, fn, ...) rv_go_copy_at((g), (fn), __VA_ARGS__, RV_SITE(fn))
#define rv_try_go(g, fn, ...) rv_try_go_at((g), (fn), __VA_ARGS__, RV_SITE(fn))
#define rv_try_go_copy(g, fn, ...) rv_try_go_copy_at((g), (fn), __VA_ARGS__, RV_SITE(fn))

void rv_go_at(rv_group *g, rv_fn *fn, void *arg, const char *site);
void rv_go_copy_at(rv_group *g, rv_fn *fn, const void *arg, size_t len, const char *site);
int rv_try_go_at(rv_group *g, rv_fn *fn, void *arg, const char *site);
int rv_try_go_copy_at(rv_group *g, rv_fn *fn, const void *arg, size_t len, const char *site);

/* result >= 0: join all. Negative: cancel all, then join. Always joins. Returns the first error. */
RV_WAITS int rv_group_close(rv_group *g, int result);

/* As rv_go, and it starts on that worker, in a group of any kind. */
#define rv_go_on(g, worker, fn, arg) rv_go_on_at((g), (worker), (fn), (arg), RV_SITE(fn))
void rv_go_on_at(rv_group *g, unsigned worker, rv_fn *fn, void *arg, const char *site);

/* This task's name, in dumps and reports. */
void rv_name(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t rv_id(void);

/* ---- many workers: each is a thread, with a ring, stacks and tasks of its own ---- */

unsigned rv_workers(void); /* of this runtime */
unsigned rv_worker(void);  /* the one that this task is on: 0 to rv_workers() - 1 */
/* Runs fn as a task of that worker and waits for it: its result. A cancel reaches it there. */
#define rv_on(worker, fn, arg) rv_on_at((worker), (fn), (arg), RV_SITE(fn))
RV_WAITS int rv_on_at(unsigned worker, rv_fn *fn, void *arg, const char *site);

/* ---- other threads: those that run no tasks, and want some run ---- */

typedef struct rv_runtime rv_runtime;

/* The one this task is in: valid until its rv_run() returns. NULL: no descriptor for a bell. */
rv_runtime *rv_runtime_self(void);
/* One on threads of its own, without a first task. */
int rv_runtime_new(rv_runtime **out_rt, const rv_options *opt);
/* Cancels what was posted, waits for it, ends the threads. Nobody may use rt from here on. */
void rv_runtime_free(rv_runtime *rt);
/* From any thread, and never waits: fn runs as a task, with its own copy of len bytes. It has no
 * group that would hear of a failure: stderr does. -ECANCELED: the runtime is ending; -ENOMEM. */
#define rv_runtime_post(rt, fn, arg, len) rv_runtime_post_at((rt), (fn), (arg), (len), RV_SITE(fn))
int rv_runtime_post_at(rv_runtime *rt, rv_fn *fn, const void *arg, size_t len, const char *site);
/* From a thread that runs no tasks: runs fn as a task, and blocks the thread until it has ended:
 * its result. */
#define rv_runtime_call(rt, fn, arg) rv_runtime_call_at((rt), (fn), (arg), RV_SITE(fn))
int rv_runtime_call_at(rv_runtime *rt, rv_fn *fn, void *arg, const char *site);

/* ---- files and sockets: the POSIX names with the POSIX arguments ---- */

RV_WAITS ssize_t rv_read(int fd, void *buf, size_t len);
RV_WAITS ssize_t rv_write(int fd, const void *buf, size_t len);
RV_WAITS ssize_t rv_pread(int fd, void *buf, size_t len, off_t at);
RV_WAITS ssize_t rv_pwrite(int fd, const void *buf, size_t len, off_t at);
/* Fewer than len: the end, or the next call says why. */
RV_WAITS ssize_t rv_read_full(int fd, void *buf, size_t len);
RV_WAITS int rv_write_all(int fd, const void *buf, size_t len);
RV_WAITS ssize_t rv_recv(int fd, void *buf, size_t len, int flags);
RV_WAITS ssize_t rv_send(int fd, const void *buf, size_t len, int flags);
RV_WAITS int rv_accept(int fd, struct sockaddr *addr, socklen_t *addr_len);
RV_WAITS int rv_connect(int fd, const struct sockaddr *addr, socklen_t addr_len);
RV_WAITS int rv_poll(int fd, short events); /* the events of poll(2) that are there */
RV_WAITS int rv_openat(int dir, const char *path, int flags, mode_t mode);
RV_WAITS int rv_fsync(int fd);
RV_WAITS int rv_fdatasync(int fd);
/* Wakes whoever waits on fd, on any worker, with -EBADF, then closes; may switch, is never
 * cancelled. */
int rv_close(int fd);

/* These set up and never wait. They are here so that one program runs on every backend: where a
 * world is simulated, so are its descriptors. New ones are close-on-exec. */
int rv_socket(int domain, int type, int protocol);
int rv_socketpair(int domain, int type, int protocol, int fds[2]);
int rv_pipe(int fds[2], int flags); /* those of pipe2(2) */
int rv_bind(int fd, const struct sockaddr *addr, socklen_t addr_len);
int rv_listen(int fd, int backlog);
int rv_shutdown(int fd, int how);
int rv_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int rv_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int rv_getsockname(int fd, struct sockaddr *addr, socklen_t *addr_len);
int rv_getpeername(int fd, struct sockaddr *addr, socklen_t *addr_len);
void rv_random(void *buf, size_t len); /* getrandom(2), or what the seed says */

/* ---- seeing inside ---- */

/* Every task: id, name, state, what it waits for and since when, its backtrace. */
void rv_dump(int fd);

/* ---- storage: here so that the compiler knows the sizes; the fields are the library's ---- */

struct rv_scope {
    rv_scope *outer;      /* the scope around this one; NULL at the root */
    void *owner;          /* the task that opened it */
    rv_time deadline;     /* its own */
    rv_time due;          /* over from here on: its own and all outer deadlines, cancels */
    unsigned char called; /* rv_cancel came, and before the deadline */
    unsigned char shield;
    unsigned char in_group; /* this is rv_group.scope, and of which kind */
};

struct rv_group {
    rv_scope scope;
    void *room_first; /* rv_go calls that wait for room, oldest first */
    void *room_last;
    rv_group *next; /* while a cancel spreads: groups still to visit */
    void *away;     /* the parts of it that other workers have */
    size_t live;    /* children, started or not */
    size_t live_max;
    int error;             /* the first child's error */
    unsigned seated;       /* the first of the children that a cancel must visit, by seat */
    unsigned char closing; /* the owner waits in rv_group_close */
    unsigned char lost;    /* a child ended with -ECANCELED because the group was cancelled */
    unsigned char fenv;    /* of tasks spawned from now on */
    unsigned char stacks;  /* of those, too: which size */
    int result;            /* what rv_group_close was given */
};

/* Where a task came from: "echo@server.c:42". */
#define RV_SITE(fn) #fn "@" __FILE__ ":" RV_SITE_LINE(__LINE__)
#define RV_SITE_LINE(line) RV_SITE_TEXT(line)
#define RV_SITE_TEXT(line) #line

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif

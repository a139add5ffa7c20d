/* sim.h: the simulated world, as its parts see it.
 *
 *   room.c      the room: direct calls; a world's beginning, end and audit
 *   seat.c      the step, and which worker of several goes on
 *   ops.c       operations, their cancels, watches
 *   agenda.c    what will happen, by virtual time; chance and trace
 *   host.c      hosts: addresses, partitions, power
 *   object.c    descriptors, and what they lead to
 *   flow.c      one direction of a byte stream: connections and (pipe.c) pipes
 *   socket.c    sockets and those that carry streams; name.c, options.c: their names and options
 *   connect.c   listen, connect, accept
 *   message.c   datagrams and other sockets that keep messages apart
 *   open.c      paths, and how files are opened
 *   file.c      open files: reads, writes, syncs, and what can go wrong with them
 *   disk.c      what is on a host's disk, and (content.c) the bytes of a file: cached, synced, lost
 *
 * Everything hangs on one struct sim, and nothing on anything else: no pointer's value, no real
 * clock, no thread. What could go either way asks the seed (sim_chance, sim_below), and what
 * happened is told to the trace (sim_tell), which is hashed; so one seed is one run, on every CPU.
 *
 * Nothing calls back into the runtime but the room's own step and cancel: an object that changes
 * says so (sim_changed), and its watches and waiting operations are looked at when the agenda
 * comes to it.
 */
#ifndef KERNEL_SIM_H
#define KERNEL_SIM_H

#include "base/report.h"
#include "kernel/kernel.h"
#include "reeve_sim.h"

enum {
    SIM_FD_FIRST = 65536, /* far from what a real kernel hands out */
    SIM_STANDARD = 3,     /* 0, 1 and 2 are the real ones */
    SIM_FAULTS = 9,       /* kinds of RV_SIM_… */
    SIM_HOSTS_MAX = 64,
    SIM_TOLD_MAX = 16,
};

/* How a run is set up and what it leaves behind: kernel_config.sim. */
struct sim_config {
    struct sim *world; /* while it is there: one for all workers */
    uint64_t seed;
    rv_sim_options options;
    bool traced;        /* each event is a line on stderr */
    rv_sim_stats stats; /* filled in at the end */
    bool doomed;        /* nothing could happen any more, or it lasted too long: the loop told it */
    unsigned findings;  /* of the audit, each told on stderr */
    unsigned (*host)(void *host_arg); /* whose task is running; NULL: the first host's */
    void *host_arg;
};

/* ---- what will happen ---- */

struct sim;
struct sim_event {
    int64_t at;
    uint64_t order; /* of those at the same time */
    void (*happen)(struct sim *w, struct sim_event *e);
};

struct sim_agenda {
    struct sim_event **heap;
    size_t count, room;
    uint64_t asked; /* how many there have been */
};

/* ---- descriptors ---- */

struct sim_object;
struct sim_class {
    const char *name;
    enum fd_kind kind;
    short (*ready)(struct sim *w, struct sim_object *o); /* poll(2) bits that are there */
    /* 0: the end. -EAGAIN: sim_changed() will come. flags: MSG_… */
    ssize_t (*take)(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags);
    ssize_t (*put)(struct sim *w, struct sim_object *o, const void *buf, size_t len, int flags);
    void (*closed)(struct sim *w, struct sim_object *o); /* nobody holds it open any more */
    void (*free)(struct sim *w, struct sim_object *o);   /* nor in any other way */
};

/* What a number leads to: the head of a pipe's end, a socket, an open file. */
struct sim_object {
    const struct sim_class *class;
    struct link all;  /* sim.objects */
    unsigned refs;    /* its number, operations on it, events about it */
    unsigned openers; /* its number, operations on it: while there are any, it is open */
    unsigned host;    /* that it was made on, and which boot of that: */
    unsigned boots;   /* an object of an earlier one is dead */
    bool is_socket;
    bool nonblocking; /* made with O_NONBLOCK */
    bool looking;     /* an event is under way that looks at those that wait */
    bool is_closed;
    uint64_t inode;
    struct link waiting; /* of struct sim_op: accepts and connects, reads and writes */
    struct link watches; /* of struct sim_op: KOP_WATCH */
    struct sim_event look;
    char maker[72]; /* who made it, for those who leave it open */
};

/* ---- operations ---- */

enum sim_op_state {
    SIM_QUEUED,  /* submitted; the next step hands it over */
    SIM_WAITING, /* for its object to change */
    SIM_RUNNING, /* its event is on the agenda */
    SIM_DECIDED, /* it has happened; the word of it is on its way */
    SIM_BACK,    /* the room has its result; its cancel may still be under way */
};

struct sim_op {
    struct sim_event event;
    struct sim_event cancel; /* when it takes effect, and then when the word of that is back */
    struct link link;        /* seat.queue or sim.ops */
    struct link on_object;   /* while waiting; a watch, always */
    struct link arrived;     /* seat.arrived */
    struct sim_seat *seat;   /* whose it is */
    int said;                /* a watch: bits that its worker has yet to hear of */
    struct kop *op;
    struct kop copy; /* as it was submitted: its memory must stay what it is until it is back */
    struct sim_object *object;
    uint8_t state;  /* enum sim_op_state */
    bool tried;     /* its first attempt found that it has to wait */
    bool cancelled; /* a cancel was asked for */
    bool cancel_decided;
    bool holds_open; /* its object, until it is decided */
    bool cancel_back;
    unsigned host; /* which it was made on, and how often that had been booted */
    unsigned boots;
    uint64_t print;   /* of its buffer */
    char maker[72];   /* of the descriptor that it makes: who ran when it was submitted */
    int64_t position; /* of its file, where that is meant: as it was when it began */
    uint64_t number;
    long result;
};

/* ---- hosts ---- */

struct sim_disk; /* disk.c */

struct sim_host {
    uint32_t address; /* as in sockaddr_in */
    bool up;
    unsigned boots; /* descriptors and operations of an earlier boot are dead */
    uint16_t next_port;
    struct sim_disk *disk;
    int64_t apart[SIM_HOSTS_MAX]; /* from each other host, until */
};

/* ---- the world ---- */

/* What a worker has of the world that it shares with others: its kernel. */
struct sim_seat {
    struct kernel k;
    struct sim *w;
    struct link link; /* sim.seats */
    unsigned number;
    struct link queue;   /* of struct sim_op: submitted */
    struct link arrived; /* of struct sim_op: its worker hears of them in its own step */
    bool stepping;
    bool heard;  /* done() or event() was called in this step */
    bool parked; /* in a step, until something comes for it, or it is time */
    bool held;   /* anywhere, until it is time */
    int64_t until;
};

struct sim {
    struct sim_config *config;
    struct link seats; /* in the order in which they were taken */
    unsigned seat_count;
    struct sim_seat *running; /* in whose step this happens; NULL: in nobody's */
    bool ending;              /* no worker runs any more */
    rv_sim_options options;
    uint64_t random;
    uint64_t hash;
    int64_t now, began;
    unsigned rate[SIM_FAULTS]; /* in 65,536; by bit of RV_SIM_… */
    struct sim_agenda agenda;
    struct link ops;     /* with the world */
    struct link objects; /* all there are */
    struct sim_object *standard[SIM_STANDARD];
    struct sim_object **numbers; /* from SIM_FD_FIRST on; NULL: free */
    size_t numbers_room, open_count;
    bool told_of_real_one;
    const void *told[SIM_TOLD_MAX]; /* where raw calls were made that the seed does not decide */
    unsigned told_count;
    struct sim_host hosts[SIM_HOSTS_MAX];
    unsigned host_count;
    unsigned acting; /* for which host things happen, plus one; 0: the running task's */
    uint64_t last_inode;
    unsigned last_abstract; /* name */
    struct link names;      /* of struct sim_socket: bound ones */
    uint64_t cancels_back;
    bool over;          /* it has lasted longer than it may, and was told so */
    unsigned delivered; /* in this step: what somebody heard, or will */
    bool passed;        /* in this step: time, for all of them slept */
    unsigned turns;     /* steps in a row that brought nothing, and that nobody waited for */
    rv_sim_stats stats;
};

static inline struct sim_seat *sim_seat_of(struct kernel *k)
{
    return CONTAINER(k, struct sim_seat, k);
}

static inline struct sim *sim_of(struct kernel *k)
{
    return sim_seat_of(k)->w;
}

/* ---- chance and trace ---- */

static inline uint64_t sim_draw(struct sim *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 … n - 1. */
static inline uint64_t sim_below(struct sim *w, uint64_t n)
{
    return n > 1 ? sim_draw(w) % n : 0;
}

/* Does it happen, this time? what: one of RV_SIM_… */
static inline bool sim_chance(struct sim *w, unsigned what)
{
    unsigned rate = w->rate[__builtin_ctz(what)];

    if (rate == 0 || (sim_draw(w) & 0xffff) >= rate)
        return false;
    w->stats.faults++;
    return true;
}

/* Is this of the kinds that this world has? */
static inline bool sim_has(const struct sim *w, unsigned what)
{
    return w->rate[__builtin_ctz(what)] != 0;
}

/* A span around the usual one; a long one now and then. */
int64_t sim_span(struct sim *w, int64_t usual);

/* Everything that happens goes into the trace: `what` by its text. */
void sim_tell(struct sim *w, const char *what, int64_t a, int64_t b);

/* Something that must not be: told on stderr, and the run fails. */
void sim_find(struct sim *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The world's memory is the test's own: without it there is nothing to go on with. */
void *sim_had(void *p);       /* p, which an allocation gave */
void *sim_alloc(size_t size); /* zeroed */

/* ---- agenda ---- */

void sim_at(struct sim *w, struct sim_event *e, int64_t at);
int64_t sim_next(const struct sim *w);    /* CLOCK_NEVER: nothing will ever happen */
struct sim_event *sim_due(struct sim *w); /* the next one whose time has come, taken off; NULL */

/* ---- objects ---- */

void sim_object_init(struct sim *w, struct sim_object *o, const struct sim_class *class);
void sim_object_free(struct sim *w, struct sim_object *o);
static inline void sim_hold(struct sim_object *o)
{
    o->refs++;
}
static inline void sim_drop(struct sim *w, struct sim_object *o)
{
    ASSERT(o->refs > 0);
    if (--o->refs == 0)
        sim_object_free(w, o);
}
/* A number, or an operation, that held it open does so no longer: the last one closes it, as on
 * Linux, where a watch that is left behind keeps a connection from its end (hazards 23 and 49). */
void sim_let_go(struct sim *w, struct sim_object *o);
/* A number for it, which takes over the caller's reference; -EMFILE: and nothing was taken. */
int sim_number(struct sim *w, struct sim_object *o);
/* Both or none. */
int sim_number_both(struct sim *w, struct sim_object *a, struct sim_object *b, int fds[2]);
/* -EBADF, told if the number is one of the real world's. */
int sim_find_object(struct sim *w, int fd, struct sim_object **out_o);
int sim_find_socket(struct sim *w, int fd, struct sim_object **out_o); /* -ENOTSOCK as well */
int sim_close_number(struct sim *w, int fd);
/* Those of a host that is up: each is told, and the run fails; unless they may be left open. */
void sim_find_open(struct sim *w, unsigned host);
bool sim_has_number(const struct sim *w, int fd); /* that no real kernel knows */
void sim_make_standard(struct sim *w);
bool sim_alive(const struct sim *w, const struct sim_object *o); /* its host is up */

/* o may be ready for something that it was not ready for: its watches speak, and the operations
 * that wait on it try again. Never from within. */
void sim_changed(struct sim *w, struct sim_object *o);

/* poll(2) bits; a dead object has them all. */
int sim_ready(struct sim *w, struct sim_object *o);

/* ---- operations: ops.c ---- */

void sim_submit(struct kernel *k, struct kop *op);
void sim_cancel(struct kernel *k, struct kop *op);
void sim_hand_over(struct sim_seat *s);
void sim_deliver(struct sim_seat *s); /* what has arrived for it; not always all at once */
void sim_end_watches(struct sim *w);

/* ---- the step, and turns: seat.c ---- */

void sim_step(struct kernel *k, int64_t until);
void sim_turn(struct kernel *k, enum kernel_turn how);

/* ---- byte streams, one way ---- */

struct sim_flow;

/* `delayed`: what is put takes its time, cut into pieces as a network does; else it is there. */
struct sim_flow *sim_flow_new(struct sim *w, size_t room, unsigned from, unsigned to, bool delayed);
/* An end comes or (NULL) goes. What has no end left is gone. */
void sim_flow_set_reader(struct sim *w, struct sim_flow *f, struct sim_object *o);
void sim_flow_set_writer(struct sim *w, struct sim_flow *f, struct sim_object *o);
struct sim_object *sim_flow_reader(const struct sim_flow *f);
/* -EAGAIN, and the writer is told when there is room again. least: all of that, or none. */
ssize_t sim_flow_put(struct sim *w, struct sim_flow *f, const void *buf, size_t len, size_t least);
/* 0: nothing there (yet). */
size_t sim_flow_take(struct sim *w, struct sim_flow *f, void *buf, size_t len, bool peek);
void sim_flow_end(struct sim *w, struct sim_flow *f);  /* behind what was put */
void sim_flow_lose(struct sim *w, struct sim_flow *f); /* what has not arrived never will */
size_t sim_flow_unread(const struct sim_flow *f);      /* arrived, not taken */
bool sim_flow_under_way(const struct sim_flow *f);     /* something of it has not arrived */
bool sim_flow_ended(const struct sim_flow *f);         /* the end has arrived */
bool sim_flow_has_room(struct sim_flow *f);            /* enough to be called writable */

/* ---- sockets, pipes ---- */

int sim_socket(struct kernel *k, int domain, int type, int protocol);
int sim_socketpair(struct kernel *k, int domain, int type, int protocol, int fds[2]);
int sim_pipe(struct kernel *k, int fds[2], int flags);
int sim_bind(struct kernel *k, int fd, const struct sockaddr *addr, socklen_t len);
int sim_listen(struct kernel *k, int fd, int backlog);
int sim_shutdown(struct kernel *k, int fd, int how);
int sim_setsockopt(struct kernel *k, int fd, int level, int name, const void *value, socklen_t len);
int sim_getsockopt(struct kernel *k, int fd, int level, int name, void *value, socklen_t *len);
int sim_getsockname(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len);
int sim_getpeername(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len);

/* Of operations: a result, or -EAGAIN: try again when the object has changed. */
long sim_accept(struct sim *w, struct sim_object *o, struct sockaddr *addr, socklen_t *len);
/* -EINPROGRESS: try `again` when it has changed. */
long sim_connect(struct sim *w, struct sim_object *o, const struct sockaddr *addr, socklen_t len,
                 bool again);
void sim_connect_cancelled(struct sim_object *o); /* it will not be tried again */

/* ---- files ---- */

struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk *d);
/* A power cut: of what was not synced, the seed says what is there all the same. */
void sim_disk_cut(struct sim *w, struct sim_disk *d);

/* Of operations, at their end; `dir` as in openat(2). */
long sim_file_open(struct sim *w, int dir, const char *path, int flags, mode_t mode);
long sim_file_read(struct sim *w, struct sim_object *o, void *buf, size_t len, int64_t at);
long sim_file_write(struct sim *w, struct sim_object *o, const void *buf, size_t len, int64_t at);
long sim_file_sync(struct sim *w, struct sim_object *o, bool data_only);
/* Of an open file; no part of it is a read or write, so that two at once may meet (bytes.c). */
int64_t sim_file_position(struct sim_object *o);
void sim_file_seek(struct sim_object *o, int64_t at);
/* What the page cache has; -EAGAIN: not that. */
ssize_t sim_file_cached(struct sim *w, struct sim_object *o, void *buf, size_t len, int64_t at);

/* ---- hosts ---- */

unsigned sim_here(const struct sim *w); /* on which one this happens */
/* Which host an address leads to, seen from another one; -1: none. */
int sim_host_of(const struct sim *w, unsigned from, uint32_t address);
/* When what is sent now arrives. CLOCK_NEVER: not before the two have given up. */
int64_t sim_travel(struct sim *w, unsigned from, unsigned to);
bool sim_reachable(const struct sim *w, unsigned from, unsigned to);

/* For rv_sim_…: a host's number, or -errno. */
int sim_host_boot(struct sim *w, uint32_t address);
void sim_host_stop(struct sim *w, unsigned host); /* its last task is gone */
void sim_host_cut(struct sim *w, unsigned host);
int sim_host_part(struct sim *w, uint32_t address, uint32_t other, int64_t span);

/* How long one tries to reach a host that does not answer. */
#define SIM_GIVE_UP_NS 20000000000

#endif

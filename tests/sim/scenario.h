/* scenario.h: what the scenarios share: the library's own programs for simulated worlds.
 *
 *   SCENARIO(echo, "whatever is sent comes back, in order, and then the end")
 *   {
 *       ...a server in one task, clients in others...
 *       PROMISE(got == sent, "%zu bytes came back, of %zu", got, sent);
 *       return 0;
 *   }
 *
 * A scenario draws its own shape from the seed (below, one_in, up_to), does what programs do, bears
 * whatever the world does to it, and dies where something that reeve.h or docs/semantics.md
 * promises is not so. It keeps what it knows in variables of its own and sets them at its
 * beginning, since a process runs it with thousands of seeds.
 *
 * Each scenario is there twice: as itself, in worlds where anything may fail, and as
 * <name>_in_peace, where orders and times are any, but nothing fails by itself (in_peace is true),
 * so that what fails all the same is the library's doing.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "reeve_sim.h"

struct scenario {
    const char *name;
    const char *promise; /* in a sentence */
    rv_fn *fn;
    rv_sim_options options;
    struct scenario *next;
};

void scenario_add(struct scenario *s);

/* The rest of the arguments: fields of rv_sim_options. */
#define SCENARIO(title, promise_text, ...)                                                  \
    static int scenario_##title(void *unused);                                              \
    __attribute__((constructor)) static void add_##title(void)                              \
    {                                                                                       \
        static struct scenario self = {                                                     \
            #title, promise_text, scenario_##title, {.leave_open = false, __VA_ARGS__}, 0}; \
        scenario_add(&self);                                                                \
    }                                                                                       \
    static int scenario_##title(void *unused __attribute__((unused)))

extern bool in_peace; /* this run's world does nothing that a call could fail by */

#define PROMISE(cond, ...)                                   \
    do {                                                     \
        if (!(cond))                                         \
            promise_broken(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

_Noreturn void promise_broken(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Counts something worth knowing that it occurs at all, for --coverage. */
void seen(const char *what);

/* ---- chance ---- */

static inline uint64_t below(uint64_t n)
{
    return n ? rv_sim_random(n) : 0;
}

static inline bool one_in(uint64_t n)
{
    return below(n) == 0;
}

static inline uint64_t from_to(uint64_t first, uint64_t last)
{
    return first + below(last - first + 1);
}

/* ---- what may fail, and how often it is tried ---- */

/* Is this how a call fails that the world let fail? The rest is between the two ends. */
static inline bool by_the_world(long err)
{
    return !in_peace && (err == -ENOMEM || err == -EMFILE || err == -ENOBUFS);
}

/* The stream is of no more use. */
static inline bool broke(long err)
{
    return err == -ECONNRESET || err == -EPIPE || by_the_world(err);
}

/* Tries until the world lets it, or it fails by something else, or this is cancelled. */
#define INSIST(call)                                                         \
    ({                                                                       \
        long insist_;                                                        \
        while (by_the_world(insist_ = (long)(call)) && rv_sleep(RV_MS) == 0) \
            ;                                                                \
        insist_;                                                             \
    })

/* ---- scopes ---- */

/* The call's value in a scope of its own; -ETIMEDOUT, and then it is that time. */
#define UNTIL(deadline, call)                                                        \
    ({                                                                               \
        rv_scope until_;                                                             \
        rv_time until_when_ = (deadline);                                            \
        rv_scope_open(&until_, until_when_);                                         \
        long until_raw_ = (long)(call);                                              \
        long until_value_ = rv_scope_close(&until_, (int)until_raw_);                \
        PROMISE(until_raw_ != -ECANCELED || until_value_ == -ECANCELED ||            \
                    (until_value_ == -ETIMEDOUT && rv_now() >= until_when_),         \
                "timed out %lld ns too early", (long long)(until_when_ - rv_now())); \
        until_value_;                                                                \
    })

/* Inside a scope that is over, each call says so. */
void check_over(void);

/* ---- bytes that say whose they are and where ---- */

static inline unsigned char byte_at(uint64_t stream, uint64_t at)
{
    uint64_t x = (stream + 1) * 0x9e3779b97f4a7c15u ^ (at + 1) * 0xc2b2ae3d27d4eb4fu;

    return (unsigned char)((x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u >> 56);
}

void fill(void *buf, size_t len, uint64_t stream, uint64_t at);
/* Dies if these are not the stream's bytes from there on. */
void check_bytes(const void *buf, size_t len, uint64_t stream, uint64_t at);

/* ---- descriptors ---- */

enum way { WAY_PIPE, WAY_UNIX, WAY_TCP, WAY_SEQPACKET, WAYS };

/* fds[0] reads, fds[1] writes; of all but a pipe either does both. */
void open_way(enum way way, int fds[2]);
void close_fd(int fd); /* which must be open, and closes */

/* A listener on this host's own address (NULL: 127.0.0.1), at a port that is chosen. */
int open_listener(const char *address, uint16_t port, int backlog, struct sockaddr_in *at);
/* Connected, or -errno. */
int dial(const struct sockaddr_in *at);
struct sockaddr_in internet(const char *address, uint16_t port);

#endif

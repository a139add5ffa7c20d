/* reeve_sim.h: a whole world in memory, for testing programs that are written with reeve.h.
 *
 * rv_sim_run() is rv_run() in a world of its own: sockets, pipes, files and time are simulated,
 * and the seed decides what a real world leaves to chance: which ready task runs next, how long
 * everything takes, how little a read gives, what fails and with what, on which side of a
 * completion a cancel lands. The same seed gives the same run, on every CPU; virtual time passes
 * only when nothing can run, so that an hour of waiting takes no time. A run that fails says its
 * seed and how to replay it.
 *
 * Each run is audited when it ends: every operation came back once, every byte was received or
 * accounted for, no descriptor, stack, timer or waiter is left, and nothing slept for ever.
 *
 *   static int scenario(void *arg) { ...a server in one task, clients in others... }
 *
 *   int main(void)
 *   {
 *       return rv_sim_seeds(1, 1000, NULL, scenario, NULL) < 0;
 *   }
 *
 * docs/simulation.md is the guide.
 */
#ifndef REEVE_SIM_H
#define REEVE_SIM_H

#include "reeve.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* What a world does to the programs in it. Each seed draws which of these it has, and how often. */
enum {
    RV_SIM_ORDER = 1,        /* who is ready runs in any order, and completions come in any */
    RV_SIM_SHORT = 2,        /* reads and writes move less than they could */
    RV_SIM_LATE = 4,         /* things take long now and then */
    RV_SIM_ERRORS = 8,       /* calls fail for want of memory or descriptors, or are interrupted */
    RV_SIM_RESETS = 16,      /* connections break */
    RV_SIM_LOSS = 32,        /* datagrams are lost, and overtake each other */
    RV_SIM_PARTITIONS = 64,  /* hosts do not reach each other for a while */
    RV_SIM_STALLS = 128,     /* buffers are small, and peers slow to take from them */
    RV_SIM_DISK_ERRORS = 256 /* reads, writes and syncs of files say -EIO, writes -ENOSPC */
};
#define RV_SIM_ALL 511u

typedef struct rv_sim_options {
    unsigned without;  /* what this world does not do; RV_SIM_ALL: calm, in order, on time */
    rv_time time_max;  /* a run of more virtual time is a failure; 0: 24 hours */
    size_t fds_max;    /* descriptors, then -EMFILE; 0: 1,024 */
    size_t disk_bytes; /* of each host's disk, then -ENOSPC; 0: 64 MiB */
    bool leave_open;   /* descriptors that are open at the end are no failure */
    bool allow_real;   /* nor are calls that the seed does not decide: the guard, below */
    /* For the rest; its backend is not looked at. workers: 0 is 1, whatever REEVE_WORKERS says, and
     * RV_WORKERS_AUTO is 1 to 4, as the seed has it. They take turns on this thread. */
    rv_options runtime;
} rv_sim_options;

/* Runs fn as rv_run() does, in the world of that seed; opt NULL: anything may happen. What fn
 * returned; -ENOTRECOVERABLE if the audit found something, and stderr says what. A failure of
 * either kind is told on stderr, with the seed and the command that replays it. */
int rv_sim_run(uint64_t seed, const rv_sim_options *opt, rv_fn *fn, void *arg);

/* Runs the seeds from first on, count of them, until one fails: its result, or 0. The
 * environment may say otherwise: REEVE_SEED=n runs that one alone, and traces it on stderr;
 * REEVE_SEEDS=n is another count. */
int rv_sim_seeds(uint64_t first, uint64_t count, const rv_sim_options *opt, rv_fn *fn, void *arg);

/* What became of the last run on this thread. */
typedef struct rv_sim_stats {
    uint64_t seed;
    uint64_t hash;  /* of all that happened, in order: equal for equal runs */
    rv_time time;   /* that passed in the world */
    uint64_t steps; /* of the world */
    uint64_t operations, completions, cancels;
    uint64_t bytes_sent, bytes_received, bytes_lost;
    uint64_t faults; /* that the world put in */
} rv_sim_stats;

rv_sim_stats rv_sim_last(void);

/* ---- inside a run ---- */

bool rv_sim(void);                                 /* is this task's world a simulated one? */
uint64_t rv_sim_random(uint64_t below);            /* 0 … below - 1, as the seed has it */
void rv_sim_note(const char *what, int64_t value); /* into the trace, and so into its hash */
/* The run fails, and stderr says why. It goes on all the same. */
void rv_sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- hosts ----
 * A world begins with one host, 127.0.0.1. Others have an address, a disk that outlives their
 * tasks, and a group: its tasks, and those of groups that they open, are on that host, open its
 * files and speak from its address; not so who opened the host. Once closed, a host can be opened
 * anew at the same address. Hosts live and die apart, and close in reverse order. */

typedef struct rv_sim_host rv_sim_host; /* caller-allocated */
struct rv_sim_host {
    rv_group tasks;   /* spawn into this */
    rv_group keeping; /* the library's own, as is the rest */
    void *keeper, *opener;
    int result;
    unsigned number;
    rv_sim_host *next;
};

int rv_sim_host_open(rv_sim_host *h, const char *address);  /* IPv4; 0, -EINVAL, -EEXIST, -ENOMEM */
RV_WAITS int rv_sim_host_close(rv_sim_host *h, int result); /* as rv_group_close() */

/* The host stops dead: its connections fall silent, what its disk had not synced is lost, in part
 * or in whole, and whatever its tasks call says -ECANCELED or -EIO and does nothing. Close it, and
 * open it again, to boot it. */
void rv_sim_power_cut(rv_sim_host *h);

/* The two hosts do not reach each other for that long. "*": any host. */
int rv_sim_partition(const char *address, const char *other, rv_time span);

/* ---- raw calls ----
 * libreeve_sim_guard.a, linked into a test, asks these before read(2), time(2) and their like, so
 * that one which reaches past the simulated world is named. Others who wrap calls can do the same;
 * `place` is __builtin_return_address(0). Outside of a simulated run these do nothing. */

/* Ends the process, if the world has such a descriptor: the real kernel has not. */
void rv_sim_raw_fd(const char *call, int fd, const char *instead, const void *place);
/* Ends the process: the call would make all tasks wait, in real time. */
void rv_sim_raw_wait(const char *call, const char *instead, const void *place);
/* The run fails: a replay would not repeat what the call says. Each place is told once. */
void rv_sim_raw_chance(const char *call, const char *instead, const void *place);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif

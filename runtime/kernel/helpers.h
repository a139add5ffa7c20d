/* helpers.h: a bounded pool of threads for calls that can only block.
 *
 * A job is its owner's memory, from helpers_give() until helpers_take() hands it back:
 *     waiting -> running -> finished
 * One thread owns the pool: it gives, revokes, takes and nags. Helpers are made when a job finds
 * none idle, up to `most`, and end when they had nothing to do for some seconds, so that a program
 * that never needs one never has one. The pool knows nothing of what a job does: job->run() is
 * called on a helper, once. When a finished job lies there, the bell (an eventfd) rings.
 *
 * A running job cannot be taken back. It can be interrupted: its helper gets a signal whose
 * handler does nothing and restarts nothing, so that a sleep in the kernel that can end early does,
 * with EINTR. One signal may hit just before the call that it is meant for, so helpers_nag()
 * repeats it until the job is finished; and what it hits may be the helper's next job, which must
 * bear an EINTR that nobody wanted. What sleeps uninterruptibly sleeps on (a disk).
 *
 * All signals but that one and those of the processor's own faults are blocked in helpers: the
 * program's handlers run on its own threads.
 */
#ifndef KERNEL_HELPERS_H
#define KERNEL_HELPERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"

enum { HELPERS_MOST = 64 };

struct helper;

enum helper_job_state { JOB_WAITING, JOB_RUNNING, JOB_FINISHED };

struct helper_job {
    long (*run)(struct helper_job *job);
    long result;          /* of run(), when the job is finished */
    int64_t interrupt_at; /* from then on it is interrupted; CLOCK_NEVER: as long as it takes */
    struct link link;
    struct helper *helper; /* who runs it */
    uint8_t state;         /* enum helper_job_state */
};

struct helper {
    pthread_t thread;
    struct helpers *pool;
    struct helper_job *job; /* that it runs, or NULL */
    bool ended;
    bool made; /* the owner's own: yet to be joined */
};

struct helpers {
    pthread_mutex_t lock; /* of what follows, up to the next comment */
    pthread_cond_t work;
    struct link waiting, finished; /* of jobs */
    unsigned waiting_count;
    unsigned alive, idle;
    bool ending, interruptible;
    struct helper helper[HELPERS_MOST];
    /* the owner's own, or constant */
    unsigned most;
    unsigned hasty; /* jobs that are out and have an interrupt_at */
    int bell;
};

/* At most `most` threads, HELPERS_MOST at most; none is made yet. 0, or -errno. */
int helpers_init(struct helpers *h, unsigned most, int bell);
void helpers_fini(struct helpers *h); /* no job is out; all threads have ended when it returns */

/* run and interrupt_at are set. False: there is no helper and none can be made. */
bool helpers_give(struct helpers *h, struct helper_job *job);

/* True: the job was not begun, and is its owner's again. False: it is interrupted, if it is not
 * finished, and comes back from helpers_take(). */
bool helpers_revoke(struct helpers *h, struct helper_job *job);

/* A job that is finished, oldest first; NULL: there is none now. */
struct helper_job *helpers_take(struct helpers *h);

/* Interrupts the jobs whose time it is. When to call again; CLOCK_NEVER: not for these. */
int64_t helpers_nag(struct helpers *h);

#endif

/* plain.h: operations as plain system calls, for a room without a ring.
 *
 * plain_try() does what can be done on the spot, in the worker's own thread and without waiting for
 * anything. For the rest it says who is to do it: plain_run() on a helper. No flag of a descriptor
 * is changed for that (hazard 50); so of a descriptor without O_NONBLOCK the worker asks poll(2),
 * and where that says yes a helper makes the call: it could still block, if somebody else was
 * faster.
 */
#ifndef KERNEL_PLAIN_H
#define KERNEL_PLAIN_H

#include "kernel/kernel.h"

enum plain_who {
    PLAIN_DONE,  /* there is a result; -EAGAIN: wait for readiness, then again */
    PLAIN_SOON,  /* a helper: it ends by itself, when the disk says so */
    PLAIN_WAITS, /* a helper, perhaps for ever: only a cancel may interrupt it */
    PLAIN_BRIEF, /* a helper, at once most likely: interrupt it if it lasts */
};

/* Any operation but a watch. May use op->result as a note to plain_run(). */
enum plain_who plain_try(struct kop *op, long *out_result);

/* In any thread. May block. */
long plain_run(const struct kop *op);

/* The result of a PLAIN_BRIEF one that lasted and was interrupted: to be asked again, from the
 * start. Not -EAGAIN, with which the caller would wait for an edge that may have been. */
long plain_lasted(const struct kop *op);

#endif

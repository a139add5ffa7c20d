/* record.h: a task that was spawned and has not started: function, argument, group; 64 bytes.
 *
 * Newest first on the worker's list. A record becomes a task when it is lent a stack
 * (record_start), or when a task that just ended hands over its own (record_follow): then
 * nothing is switched at all.
 */
#ifndef SCHED_RECORD_H
#define SCHED_RECORD_H

#include "sched/worker.h"

/* What a spawn asks for. */
struct spawn {
    rv_fn *fn;
    void *arg; /* copied: what to copy */
    const char *site;
    size_t len;
    bool copied;
};

struct record {
    struct link link; /* the worker's; first: a free record's first word is the slab's */
    rv_fn *fn;
    void *arg; /* unless copied */
    rv_group *group;
    const char *site;
    uint64_t id;
    uint32_t len; /* bytes of copy[] */
    bool copied;
    unsigned char copy[]; /* rv_go_copy's argument, at no particular alignment */
};

enum {
    RECORD_BYTES = 64,
    RECORD_COPY_SMALL = 64, /* copies up to this size come from a slab */
};

_Static_assert(offsetof(struct record, copy) <= RECORD_BYTES, "a plain record is one cache line");

/* 0, -ENOMEM, -EAGAIN (rv_options.tasks_max), -E2BIG (a copy that would fill the stack). */
int record_new(struct worker *w, rv_group *g, const struct spawn *what);

/* A task for the newest or the oldest record, ready to be switched to. NULL: there was no stack
 * for it, and its group has been told. */
struct task *record_start(struct worker *w, bool oldest);

/* me has finished: makes it the task of the newest record, on the stack that it runs on, if that
 * is who should run next. */
bool record_follow(struct worker *w, struct task *me);

/* Runs the record that me was started with: its result. The record is gone. */
int record_run(struct worker *w, struct record *r);

#endif

/* record.h: a task that was spawned and has not started: function, argument, group; 64 bytes.
 *
 * Newest first on the worker's list. A record becomes a task when it is lent a stack
 * (record_start), or when a task that just ended hands over its own (record_follow): then
 * nothing is switched at all.
 */
#ifndef SCHED_RECORD_H
#define SCHED_RECORD_H

#include <errno.h>

#include "sched/worker.h"

struct record {
    struct link link; /* the worker's; first: a free record's first word is the slab's */
    rv_fn *fn;
    void *arg; /* unless copied */
    rv_group *group;
    const char *site;
    uint64_t id;
    uint32_t len; /* bytes of copy[] */
    bool copied;
    unsigned char fenv;   /* what its group said when it was spawned */
    unsigned char stacks; /* likewise: the index of its pool */
    unsigned char copy[]; /* rv_go_copy's argument, at no particular alignment */
};

enum {
    RECORD_BYTES = 64,
    RECORD_COPY_SMALL = 64, /* copies up to this size come from a slab */
};

_Static_assert(offsetof(struct record, copy) <= RECORD_BYTES, "a plain record is one cache line");

/* 0, -ENOMEM, -EAGAIN (rv_options.tasks_max), -E2BIG (a copy that would fill the stack). */
static inline int record_new(struct worker *w, rv_group *g, rv_fn *fn, void *arg, const char *site);
int record_new_copied(struct worker *w, rv_group *g, rv_fn *fn, const void *arg, size_t len,
                      const char *site);

/* A task for the newest or the oldest record, ready to be switched to. NULL: there was no stack
 * for it, and its group has been told. */
static inline struct task *record_start(struct worker *w, bool oldest);

/* me has finished: makes it the task of the newest record, on the stack that it runs on, if that
 * is who should run next. */
static inline bool record_follow(struct worker *w, struct task *me);

/* Runs the record that me was started with: its result. The record is gone. */
static inline int record_run(struct worker *w, struct record *r);

/* ---- what is rare: record.c ---- */

int record_run_copied(struct worker *w, struct record *r);
bool record_reserve(struct worker *w);
void record_fail(struct worker *w, struct record *r, bool first);
void record_promote(struct worker *w, uint32_t at); /* the newest but so many is the newest */

/* ---- what is not ---- */

/* 0, or why there can be no further task. */
static inline int record_allowed(struct worker *w, const rv_group *g)
{
    struct stack_pool *p = &w->stacks.pools[g->stacks];

    if (__builtin_expect(p->exhausted, 0) && !stack_recovers(p))
        return -ENOMEM;
    return __builtin_expect(w->started + w->unstarted >= w->tasks_max, 0) ? -EAGAIN : 0;
}

static inline void record_fill(struct worker *w, struct record *r, rv_group *g, rv_fn *fn,
                               void *arg, const char *site)
{
    r->fn = fn;
    r->arg = arg;
    r->group = g;
    r->site = site;
    r->id = ++w->last_id;
    r->fenv = g->fenv;
    r->stacks = g->stacks;
    list_push_front(&w->records, &r->link);
    w->unstarted++;
    g->live++;
}

static inline int record_new(struct worker *w, rv_group *g, rv_fn *fn, void *arg, const char *site)
{
    int err = record_allowed(w, g);
    struct record *r;

    if (err < 0)
        return err;
    r = slab_take(&w->record_slab);
    if (__builtin_expect(r == NULL, 0))
        return -ENOMEM;
    r->copied = false;
    record_fill(w, r, g, fn, arg, site);
    return 0;
}

/* What is not set here a finished task leaves as a fresh one finds it: zero. */
static inline void record_load(struct worker *w, struct task *t, struct record *r)
{
    rv_group *g = r->group;

    list_remove_fast(&r->link);
    w->unstarted--;
    w->bypassed = 0;
    task_move(t, TASK_STARTING);
    t->scope = &g->scope;
    t->worker = w;
    t->group = g;
    t->record = r;
    t->site = r->site;
    t->id = r->id;
    t->name[0] = 0;
}

static inline struct task *record_start(struct worker *w, bool oldest)
{
    struct link *l = oldest ? w->records.prev : w->records.next;
    struct record *r = CONTAINER(l, struct record, link);
    struct stack_pool *pool = &w->stacks.pools[r->stacks];
    bool was_exhausted = pool->exhausted;
    struct task *t = NULL;

    if (__builtin_expect(w->started < w->started_room, 1) || record_reserve(w))
        t = (struct task *)stack_take(pool);
    if (__builtin_expect(t == NULL, 0)) {
        record_fail(w, r, !was_exhausted);
        return NULL;
    }
    w->started++;
    record_load(w, t, r);
    context_prepare(&t->ctx, t->stack.low, t, task_main, t);
    if (__builtin_expect(r->fenv, 0)) {
        t->own_fenv = true;
        t->fenv = w->fenv;
        w->careful++;
    }
    return t;
}

static inline bool record_follow(struct worker *w, struct task *me)
{
    struct record *r;

    /* Under a sanitizer each task begins on a stack that was announced to it. */
    if (STACK_SANITIZED || w->unstarted == 0 || w->credit <= 1 || !runq_empty(&w->ready))
        return false;
    r = CONTAINER(w->records.next, struct record, link);
    if (&w->stacks.pools[r->stacks] != me->stack.pool || w->stacks.wipe || (me->own_fenv | r->fenv))
        return false;
    w->credit--;
    record_load(w, me, r);
    task_move(me, TASK_RUNNING);
    return true;
}

static inline int record_run(struct worker *w, struct record *r)
{
    rv_fn *fn = r->fn;
    void *arg = r->arg;

    if (r->copied)
        return record_run_copied(w, r);
    slab_give(&w->record_slab, r);
    return fn(arg);
}

#endif

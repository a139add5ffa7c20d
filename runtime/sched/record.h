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

/* record.how */
enum {
    RECORD_COPIED = 1, /* the argument is in copy[] */
    RECORD_SPREAD = 2, /* any worker may start it: spread.h */
    RECORD_AWAY = 4,   /* its memory is another worker's: home */
    RECORD_POSTED = 8, /* by another thread, which is told if it cannot start: foreign.c */
};

struct record {
    union {                     /* first: a free record's first word is the slab's */
        struct link link;       /* the worker's */
        struct message message; /* to another worker */
    };
    rv_fn *fn;
    void *arg; /* unless copied */
    union {
        rv_group *group;
        struct record *behind; /* on its way home, with others */
    };
    const char *site;
    uint64_t id;
    uint32_t len;         /* bytes of copy[] */
    unsigned char how;    /* RECORD_… */
    unsigned char fenv;   /* what its group said when it was spawned */
    unsigned char stacks; /* likewise: the index of its pool */
    unsigned char home;   /* the index of a worker */
    unsigned char copy[]; /* rv_go_copy's argument, at no particular alignment */
};

enum {
    RECORD_BYTES = 64,
    RECORD_COPY_SMALL = 64, /* copies up to this size come from a slab */
};

_Static_assert(offsetof(struct record, copy) <= RECORD_BYTES, "a plain record is one cache line");

/* 0, -ENOMEM, -EAGAIN (rv_options.tasks_max), -E2BIG (a copy that would fill the stack). */
static inline int record_new(struct worker *w, rv_group *g, rv_fn *fn, void *arg, const char *site);
/* As record_make(): it is counted, and in no list. */
int record_make_copied(struct worker *w, rv_group *g, rv_fn *fn, const void *arg, size_t len,
                       const char *site, struct record **out_r);

/* A task for the newest or the oldest record, ready to be switched to. NULL: there was no stack
 * for it, and its group has been told; or another worker has it now. */
static inline struct task *record_start(struct worker *w, bool oldest);

/* me has finished: makes it the task of the newest record, on the stack that it runs on, if that
 * is who should run next. */
static inline bool record_follow(struct worker *w, struct task *me);

/* Runs the record that me was started with: its result. The record is gone. */
static inline int record_run(struct worker *w, struct record *r);

/* ---- what is rare: record.c ---- */

int record_run_special(struct worker *w, struct record *r);
void record_release(struct worker *w, struct record *r); /* its memory */
bool record_reserve(struct worker *w);
void record_fail(struct worker *w, struct record *r, bool first);
void record_lost(struct worker *w, struct record *r); /* in no list, and never to start: -ENOMEM */
void post_lost(void *post, int err);                  /* foreign.c */
void record_promote(struct worker *w, uint32_t at);   /* the newest but so many is the newest */

/* With rv_options.tasks_max: true, one more is counted, of all workers. */
bool record_admit(struct worker *w);
void record_discount(struct worker *w);

/* It will not be, or is over. */
static inline void record_ended(struct worker *w)
{
    if (__builtin_expect(w->tasks_max != SIZE_MAX, 0))
        record_discount(w);
}

/* ---- those that any worker may start: spread.c ---- */

void spread_add(struct worker *w, struct record *r);
void spread_add_last(struct worker *w, struct record *r);  /* behind those that are there */
struct record *spread_pick(struct worker *w, bool oldest); /* there is one of either kind */
void spread_started(struct worker *w);                     /* one was taken off worker.spread */
void spread_arrive(struct message *m);
/* True: another worker, which has less to do, gets it. */
bool spread_deal(struct worker *w, struct record *r);

/* ---- what is not rare ---- */

/* 0, or why there can be no further task. */
static inline int record_allowed(struct worker *w, const rv_group *g)
{
    struct stack_pool *p = &w->stacks.pools[g->stacks];

    if (__builtin_expect(p->exhausted, 0) && !stack_recovers(p))
        return -ENOMEM;
    return __builtin_expect(w->tasks_max != SIZE_MAX, 0) && !record_admit(w) ? -EAGAIN : 0;
}

static inline void record_fill(struct worker *w, struct record *r, rv_group *g, rv_fn *fn,
                               void *arg, const char *site)
{
    r->fn = fn;
    r->arg = arg;
    r->group = g;
    r->site = site;
    r->id = w->last_id += w->id_step;
    r->fenv = g->fenv;
    r->stacks = g->stacks;
    g->live++;
}

/* It goes to another worker. */
static inline void record_away(struct record *r, unsigned home)
{
    if (r->how & RECORD_AWAY)
        return;
    r->how |= RECORD_AWAY;
    r->home = (unsigned char)home;
}

/* It waits for its turn: here, whatever its group. */
static inline void record_keep(struct worker *w, struct record *r)
{
    list_push_front(&w->records, &r->link);
    w->unstarted++;
}

/* Of group g: it waits for its turn. */
static inline void record_queue(struct worker *w, const rv_group *g, struct record *r)
{
    if (__builtin_expect(g->scope.in_group & GROUP_SPREAD, 0)) {
        r->how |= RECORD_SPREAD;
        spread_add(w, r);
        return;
    }
    record_keep(w, r);
}

static inline int record_make(struct worker *w, rv_group *g, rv_fn *fn, void *arg, const char *site,
                              struct record **out_r)
{
    int err = record_allowed(w, g);
    struct record *r;

    if (err < 0)
        return err;
    r = slab_take(&w->record_slab);
    if (__builtin_expect(r == NULL, 0)) {
        record_ended(w);
        return -ENOMEM;
    }
    r->how = 0;
    record_fill(w, r, g, fn, arg, site);
    *out_r = r;
    return 0;
}

static inline int record_new(struct worker *w, rv_group *g, rv_fn *fn, void *arg, const char *site)
{
    struct record *r;
    int err = record_make(w, g, fn, arg, site, &r);

    if (__builtin_expect(err == 0, 1))
        record_queue(w, g, r);
    return err;
}

/* The one that is next; it stays where it is. */
static inline struct record *record_peek(struct worker *w, bool oldest)
{
    if (__builtin_expect(w->spread_count != 0, 0))
        return spread_pick(w, oldest);
    return CONTAINER(oldest ? w->records.prev : w->records.next, struct record, link);
}

static inline void record_unqueue(struct worker *w, struct record *r)
{
    list_remove_fast(&r->link);
    w->unstarted--;
    if (__builtin_expect(r->how & RECORD_SPREAD, 0))
        spread_started(w);
}

/* What is not set here a finished task leaves as a fresh one finds it: zero. */
static inline void record_load(struct worker *w, struct task *t, struct record *r)
{
    rv_group *g = r->group;

    record_unqueue(w, r);
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
    struct record *r = record_peek(w, oldest);
    struct stack_pool *pool = &w->stacks.pools[r->stacks];
    bool was_exhausted = pool->exhausted;
    struct task *t = NULL;

    if (__builtin_expect(w->spread_count != 0, 0) && w->deal_left && spread_deal(w, r))
        return NULL;
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
    r = record_peek(w, false);
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

    if (__builtin_expect(r->how & (RECORD_COPIED | RECORD_AWAY), 0))
        return record_run_special(w, r);
    slab_give(&w->record_slab, r);
    return fn(arg);
}

#endif

/* record.c: spawned, not started. See record.h. */
#include "sched/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/group.h"

static struct record *allocate(struct worker *w, bool copied, size_t len)
{
    if (!copied)
        return slab_take(&w->record_slab);
    if (len <= RECORD_COPY_SMALL)
        return slab_take(&w->record_copy_slab);
    return malloc(sizeof(struct record) + len);
}

static void release(struct worker *w, struct record *r)
{
    if (!r->copied)
        slab_give(&w->record_slab, r);
    else if (r->len <= RECORD_COPY_SMALL)
        slab_give(&w->record_copy_slab, r);
    else
        free(r);
}

static struct stack_pool *stacks_of(const struct worker *w, const rv_group *g)
{
    return g->stacks ? g->stacks : w->default_stacks;
}

int record_new(struct worker *w, rv_group *g, const struct spawn *what)
{
    struct record *r;

    if (__builtin_expect(w->stacks.exhausted, 0))
        return -ENOMEM;
    if (__builtin_expect(w->started + w->unstarted >= w->tasks_max, 0))
        return -EAGAIN;
    if (what->copied && what->len > stacks_of(w, g)->usable_bytes / 4)
        return -E2BIG;
    r = allocate(w, what->copied, what->len);
    if (__builtin_expect(r == NULL, 0))
        return -ENOMEM;
    r->fn = what->fn;
    r->arg = what->arg;
    r->group = g;
    r->site = what->site;
    r->id = ++w->last_id;
    r->copied = what->copied;
    if (r->copied) {
        r->len = (uint32_t)what->len; /* a stack is no longer than 2 GiB */
        memcpy(r->copy, what->arg, r->len);
    }
    list_push_front(&w->records, &r->link);
    w->unstarted++;
    g->live++;
    return 0;
}

/* Room to queue and time one more task, so that waking and parking cannot fail. */
static bool reserve(struct worker *w)
{
    size_t room = w->started_room ? w->started_room * 2 : 64;

    if (w->started < w->started_room)
        return true;
    if (room > UINT32_MAX / 2 || runq_reserve(&w->ready, (uint32_t)room) < 0 ||
        timers_reserve(&w->timers, (uint32_t)room) < 0)
        return false;
    w->started_room = room;
    return true;
}

static void load(struct worker *w, struct task *t, struct record *r)
{
    rv_group *g = r->group;

    list_remove_fast(&r->link);
    w->unstarted--;
    w->bypassed = 0;
    task_move(t, TASK_STARTING);
    t->own_fenv = g->fenv;
    t->linked = false;
    t->asked = false;
    t->timer = 0;
    t->scope = &g->scope;
    t->worker = w;
    t->armed = RV_NEVER;
    t->wait = NULL;
    t->group = g;
    t->record = r;
    t->site = r->site;
    t->id = r->id;
    t->name[0] = 0;
}

/* No stack: the one who spawned it has long gone on, so its group is told, and stderr once. */
static void fail(struct worker *w, struct record *r, bool first)
{
    rv_group *g = r->group;
    const char *place;
    char name[TASK_NAME_BYTES];

    site_split(r->site, name, sizeof name, &place);
    if (first)
        report("no stack for task %llu \"%s\", spawned at %s, with %zu tasks started: %s",
               (unsigned long long)r->id, name, place, w->started,
               w->stacks.guard == STACK_GUARD_MPROTECT
                   ? "mprotect guards take two mappings each (vm.max_map_count); Linux 6.13 needs none"
                   : "no memory or address space");
    list_remove_fast(&r->link);
    w->unstarted--;
    release(w, r);
    group_child_done(g, -ENOMEM);
}

struct task *record_start(struct worker *w, bool oldest)
{
    struct link *l = oldest ? w->records.prev : w->records.next;
    struct record *r = CONTAINER(l, struct record, link);
    bool was_exhausted = w->stacks.exhausted;
    struct task *t = reserve(w) ? (struct task *)stack_take(stacks_of(w, r->group)) : NULL;

    if (__builtin_expect(t == NULL, 0)) {
        fail(w, r, !was_exhausted);
        return NULL;
    }
    w->started++;
    load(w, t, r);
    context_prepare(&t->ctx, t->stack.low, t, task_main, t);
    if (t->own_fenv)
        t->fenv = w->fenv;
    return t;
}

bool record_follow(struct worker *w, struct task *me)
{
    struct record *r;

    if (w->credit <= 1 || w->unstarted == 0 || !runq_empty(&w->ready))
        return false;
    r = CONTAINER(w->records.next, struct record, link);
    if (stacks_of(w, r->group) != me->stack.pool || w->stacks.wipe || me->own_fenv)
        return false;
    w->credit--;
    load(w, me, r);
    task_move(me, TASK_RUNNING);
    return true;
}

/* In a frame of its own, which ends with the task: several tasks may follow on one stack. */
static __attribute__((noinline)) int run_with_copy(struct worker *w, struct record *r)
{
    rv_fn *fn = r->fn;
    void *copy = __builtin_alloca_with_align(r->len + 1u, 8 * _Alignof(max_align_t));

    memcpy(copy, r->copy, r->len);
    release(w, r);
    return fn(copy);
}

int record_run(struct worker *w, struct record *r)
{
    rv_fn *fn = r->fn;
    void *arg = r->arg;

    if (r->copied)
        return run_with_copy(w, r);
    release(w, r);
    return fn(arg);
}

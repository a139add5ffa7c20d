/* record.c: spawns that are rare: copied arguments, growth, failure. See record.h. */
#include "sched/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/group.h"
#include "sched/runtime.h"
#include "sched/spread.h"

void record_release(struct worker *w, struct record *r)
{
    if (r->how & RECORD_COPIED && r->len > RECORD_COPY_SMALL)
        free(r);
    else if (r->how & RECORD_AWAY)
        spread_return(w, r);
    else
        slab_give(r->how & RECORD_COPIED ? &w->record_copy_slab : &w->record_slab, r);
}

int record_make_copied(struct worker *w, rv_group *g, rv_fn *fn, const void *arg, size_t len,
                       const char *site, struct record **out_r)
{
    int err = record_allowed(w, g);
    struct record *r;

    if (err < 0)
        return err;
    if (len > w->stacks.pools[g->stacks].usable_bytes / 4) {
        record_ended(w);
        return -E2BIG;
    }
    r = len <= RECORD_COPY_SMALL ? slab_take(&w->record_copy_slab) : malloc(sizeof *r + len);
    if (r == NULL) {
        record_ended(w);
        return -ENOMEM;
    }
    r->how = RECORD_COPIED;
    r->len = (uint32_t)len;
    if (len) /* nothing may be copied from NULL */
        memcpy(r->copy, arg, len);
    record_fill(w, r, g, fn, NULL, site);
    *out_r = r;
    return 0;
}

/* In a frame of its own, which ends with the task: several tasks may follow on one stack. */
static int run_copied(struct worker *w, struct record *r)
{
    rv_fn *fn = r->fn;
    void *copy = __builtin_alloca_with_align(r->len + 1u, 8 * _Alignof(max_align_t));

    memcpy(copy, r->copy, r->len);
    record_release(w, r);
    return fn(copy);
}

int record_run_special(struct worker *w, struct record *r)
{
    rv_fn *fn = r->fn;
    void *arg = r->arg;

    if (r->how & RECORD_COPIED)
        return run_copied(w, r);
    record_release(w, r);
    return fn(arg);
}

/* Room to queue and seat more tasks, so that waking and parking cannot fail. */
bool record_reserve(struct worker *w)
{
    size_t room = w->started_room ? w->started_room * 2 : 64;
    struct sibling *siblings;

    if (room > UINT32_MAX / 2)
        return false;
    siblings = realloc(w->siblings, (room + 1) * sizeof *siblings);
    if (siblings == NULL)
        return false;
    w->siblings = siblings;
    if (runq_reserve(&w->ready, (uint32_t)room) < 0 ||
        timers_reserve(&w->timers, (uint32_t)room) < 0)
        return false;
    w->started_room = room;
    return true;
}

/* One count for all workers, as what one spawns another starts; atomic where there are others. */
bool record_admit(struct worker *w)
{
    size_t *tasks = &w->rt->tasks;

    if (w->rt->count == 1)
        return *tasks < w->tasks_max && ++*tasks;
    if (__atomic_add_fetch(tasks, 1, __ATOMIC_RELAXED) <= w->tasks_max)
        return true;
    record_discount(w);
    return false;
}

void record_discount(struct worker *w)
{
    if (w->rt->count == 1)
        w->rt->tasks--;
    else
        __atomic_sub_fetch(&w->rt->tasks, 1, __ATOMIC_RELAXED);
}

void record_promote(struct worker *w, uint32_t at)
{
    struct link *l = w->records.next;

    if (list_empty(&w->records))
        return;

    while (at--)
        l = l->next;
    list_remove(l);
    list_push_front(&w->records, l);
}

/* The one who spawned it has long gone on, so its group is told. A post's is the worker's root, and
 * an error there would cancel all there is: who posted it is told. */
void record_lost(struct worker *w, struct record *r)
{
    rv_group *g = r->group;
    void *post = r->how & RECORD_POSTED ? r->arg : NULL;

    record_release(w, r);
    record_ended(w);
    if (post)
        post_lost(post, -ENOMEM);
    group_child_done(g, post ? 0 : -ENOMEM);
}

/* No stack: stderr is told once, too. */
void record_fail(struct worker *w, struct record *r, bool first)
{
    char who[256];

    task_describe_spawn(r->id, "", r->site, who, sizeof who);
    if (first)
        report("no stack for %s, with %zu tasks started: %s", who, w->started,
               w->stacks.guard == STACK_GUARD_MPROTECT
                   ? "mprotect guards take two mappings each (vm.max_map_count); Linux 6.13 needs "
                     "none"
                   : "no memory or address space");
    record_unqueue(w, r);
    record_lost(w, r);
}

/* branch.c: see branch.h. "Here" is the worker that has the branch, "home" its parent's. */
#include "sched/branch.h"

#include <errno.h>

#include "base/plant.h"
#include "sched/runtime.h"

/* ---- up: from here to home, and back ---- */

static void hear(struct message *m);
static void envelope_is_back(struct message *m);

/* While it has children, one of those that it took is kept back: its own may be among them. */
static size_t to_give_back(const struct branch *b)
{
    if (b->empty || PLANTED(EARLY_WORD))
        return b->taken;
    return b->ended < b->taken ? b->ended : b->taken - (b->taken > 0);
}

static void send_up(struct branch *b)
{
    list_remove(&b->unsaid);
    b->up_away = true;
    b->word.joined = b->joined;
    b->joined = 0;
    b->word.ended = to_give_back(b);
    b->word.error = b->error_said || (b->empty && PLANTED(LOST_ERROR)) ? 0 : b->group.error;
    b->word.lost = b->group.lost;
    b->word.last = b->empty;
    b->taken -= b->word.ended;
    b->ended -= b->ended < b->word.ended ? b->ended : b->word.ended;
    b->error_said = b->group.error != 0;
    b->up.deliver = hear;
    worker_post(b->home, &b->up);
}

/* There is something to say: now, or when the envelope is back. */
static void say(struct branch *b)
{
    if (!b->up_away)
        send_up(b);
}

static bool something_to_say(const struct branch *b)
{
    return b->empty || b->joined || (b->group.error && !b->error_said) ||
           (b->prompt && to_give_back(b));
}

static void envelope_is_back(struct message *m)
{
    struct branch *b = CONTAINER(m, struct branch, up);

    b->up_away = false;
    if (b->word.last)
        slab_give(&b->here->branch_slab, b);
    else if (something_to_say(b))
        send_up(b);
}

_Static_assert(BRANCH_BUCKETS == 256, "bucket_of() takes eight bits");

static struct branch **bucket_of(struct worker *w, const rv_group *parent)
{
    uint64_t mixed = (uintptr_t)parent * 0x9e3779b97f4a7c15u;

    return &w->branches[mixed >> 56];
}

static void take_out(struct branch *gone)
{
    struct branch **at = bucket_of(gone->here, gone->parent);

    while (*at != gone)
        at = &(*at)->next_here;
    *at = gone->next_here;
}

void branch_empty(rv_group *g)
{
    struct branch *b = branch_of(g);

    b->empty = true;
    take_out(b);
    say(b);
}

void branch_ended(rv_group *g, size_t count)
{
    struct branch *b = branch_of(g);

    b->ended += count;
    if (g->live)
        say(b);
}

void branch_failed(rv_group *g)
{
    say(branch_of(g));
}

/* ---- down: from home to here ---- */

static void cancelled(struct message *m)
{
    scope_cancel(&CONTAINER(m, struct branch, cancel)->group.scope);
}

static void send_cancel(struct branch *b)
{
    if (b->cancel_sent)
        return;
    b->cancel_sent = true;
    b->cancel.deliver = cancelled;
    worker_post(b->here, &b->cancel);
}

static void be_prompt(struct branch *b)
{
    b->prompt = true;
    b->group.room_first = b; /* nobody waits there, but each end is told to branch_ended() */
}

/* From here on the books are exact: what ended is given back, what was spawned here is joined. */
static void declare(struct branch *b)
{
    size_t live = b->group.live;

    if (b->taken > live) {
        b->ended = b->taken - live;
    } else {
        b->joined += live - b->taken;
        b->taken = live;
    }
}

/* Its own branches are to be prompt as well. */
static void limited(struct message *m)
{
    struct branch *b = CONTAINER(m, struct branch, limit);

    if (!b->prompt)
        declare(b);
    be_prompt(b);
    branch_limit_all(&b->group);
    if (!b->empty && something_to_say(b))
        say(b);
}

static void send_limit(struct branch *b)
{
    if (b->limit_sent)
        return;
    b->limit_sent = true;
    b->limit.deliver = limited;
    worker_post(b->here, &b->limit);
}

void branch_cancel_all(rv_group *g)
{
    for (struct branch *b = g->away; b; b = b->next)
        send_cancel(b);
}

void branch_limit_all(rv_group *g)
{
    for (struct branch *b = g->away; b; b = b->next)
        send_limit(b);
}

/* ---- at home ---- */

static void enter(struct branch *b, rv_group *g)
{
    b->known = true;
    b->next = g->away;
    b->at = (struct branch **)&g->away;
    if (b->next)
        b->next->at = &b->next;
    g->away = b;
}

static void leave(struct branch *b)
{
    *b->at = b->next;
    if (b->next)
        b->next->at = b->at;
}

static bool has_limit(rv_group *g)
{
    return g->scope.in_group & GROUP_BRANCH ? branch_of(g)->prompt : g->live_max != SIZE_MAX;
}

/* What ended comes last: the group may be over with it. */
static void hear(struct message *m)
{
    struct branch *b = CONTAINER(m, struct branch, up);
    rv_group *g = b->parent;
    size_t ended = b->word.ended;

    if (!b->known)
        enter(b, g);
    g->live += b->word.joined;
    if (b->word.lost)
        g->lost = true;
    if (b->word.error)
        group_child_failed(g, b->word.error);
    if (b->word.last) {
        leave(b);
    } else {
        if (g->scope.due == SCOPE_CANCELLED && !PLANTED(UNTOLD_CANCEL))
            send_cancel(b);
        if (has_limit(g))
            send_limit(b);
    }
    m->deliver = envelope_is_back;
    worker_post(b->here, m);
    if (ended)
        group_children_done(g, ended);
}

/* ---- here ---- */

/* The parent's memory is another worker's. What is fixed since it was opened can be read, since a
 * record of it is here; and its due, which a cancel may be moving: if that is not seen here, it
 * will be when home hears of the branch. */
static void branch_open(struct branch *b, struct worker *w, rv_group *parent)
{
    int64_t due = __atomic_load_n(&parent->scope.due, __ATOMIC_RELAXED);

    *b = (struct branch){.here = w, .parent = parent, .root = branch_root(parent)};
    b->home = ((struct task *)parent->scope.owner)->worker;
    b->group.scope.owner = &w->loop;
    b->group.scope.due = due;
    b->group.scope.deadline = due == SCOPE_CANCELLED ? RV_NEVER : due;
    b->group.scope.in_group =
        (parent->scope.in_group & (GROUP_PLAIN | GROUP_SPREAD)) | GROUP_BRANCH;
    b->group.live_max = SIZE_MAX;
    b->group.closing = true; /* whenever it is empty it is over */
    list_init(&b->unsaid);
    if (__atomic_load_n(&b->root->live_max, __ATOMIC_RELAXED) != SIZE_MAX)
        be_prompt(b);
}

static struct branch *branch_new(struct worker *w, rv_group *parent)
{
    struct branch **bucket = bucket_of(w, parent), *b = slab_take(&w->branch_slab);

    if (b == NULL)
        return NULL;
    branch_open(b, w, parent);
    b->next_here = *bucket;
    *bucket = b;
    return b;
}

static struct branch *find(struct worker *w, const rv_group *parent)
{
    struct branch *b = *bucket_of(w, parent);

    while (b && b->parent != parent)
        b = b->next_here;
    return b;
}

struct branch *branch_for(struct worker *w, rv_group *parent)
{
    struct branch *b = find(w, parent);

    if (b)
        return b;
    b = branch_new(w, parent);
    if (b)
        list_push_back(&w->unsaid, &b->unsaid);
    return b;
}

void branch_say_new(struct worker *w)
{
    while (!list_empty(&w->unsaid))
        send_up(CONTAINER(w->unsaid.next, struct branch, unsaid));
}

/* Goes out from the task, past workers: all that it is inside of, as its child or its owner's inner
 * group's, stays open as long as it runs; and `outer` is fixed when a scope opens. */
bool branch_is_around(const struct task *t, const rv_group *root)
{
    rv_scope *s = t->scope;

    while (s) {
        rv_group *g = s->in_group ? CONTAINER(s, rv_group, scope) : NULL;

        if (g && branch_root(g) == root)
            return true;
        s = s->in_group & GROUP_BRANCH ? &branch_of(g)->parent->scope : s->outer;
    }
    return false;
}

rv_group *branch_of_root(const struct task *me, rv_group *root)
{
    struct worker *w = me->worker;
    struct branch *b;

    for (const struct task *t = me; t->group; t = t->group->scope.owner)
        if (branch_root(t->group) == root)
            return t->group;
    b = find(w, root);
    if (b == NULL) {
        b = branch_new(w, root);
        if (b == NULL)
            return NULL;
        b->taken = b->joined = 1;
        say(b);
    }
    return &b->group;
}

void branch_unused(rv_group *g)
{
    if (g->live == 0)
        branch_empty(g);
}

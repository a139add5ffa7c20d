/* spread.c: see spread.h. */
#include "sched/spread.h"

#include <errno.h>
#include <stdlib.h>

#include "base/plant.h"
#include "kernel/fds.h"
#include "sched/branch.h"
#include "sched/runtime.h"

static struct record *record_of(struct link *l)
{
    return CONTAINER(l, struct record, link);
}

/* ---- one's own shelf ---- */

/* The oldest `count` of one's own go where others reach them. */
static void shelve(struct worker *w, uint32_t count)
{
    struct link batch;

    list_init(&batch);
    for (uint32_t i = 0; i < count; i++) {
        struct link *l = w->spread.prev;

        list_remove_fast(l);
        list_push_front(&batch, l);
    }
    w->spread_count -= count;
    w->unstarted -= count;
    shelf_put(&w->shelf, &batch, count);
    runtime_call_idler(w->rt, w->index);
    worker_turn(w);
}

static uint32_t fetch(struct worker *w, uint32_t most)
{
    uint32_t count = shelf_take_newest(&w->shelf, &w->spread, most);

    w->spread_count += count;
    w->unstarted += count;
    return count;
}

bool spread_fetch(struct worker *w)
{
    return fetch(w, PRIVATE_BATCH) > 0;
}

/* One is here that was not. */
static void kept(struct worker *w)
{
    w->spread_count++;
    w->unstarted++;
    if (idlers_any(&w->rt->idlers))
        shelve(w, w->spread_count);
    else if (shelf_count(&w->shelf) == 0)
        shelve(w, (w->spread_count + 1) / 2);
    else if (w->spread_count > PRIVATE_MOST)
        shelve(w, PRIVATE_BATCH);
}

static void keep(struct worker *w, struct record *r)
{
    list_push_front(&w->spread, &r->link);
    kept(w);
}

void spread_add_last(struct worker *w, struct record *r)
{
    r->how |= RECORD_SPREAD;
    list_push_back(&w->spread, &r->link);
    kept(w);
}

void spread_started(struct worker *w)
{
    w->spread_count--;
    if (w->spread_count == 0 && shelf_count(&w->shelf))
        (void)fetch(w, PRIVATE_BATCH);
    if (w->spread_count && idlers_any(&w->rt->idlers))
        shelve(w, w->spread_count);
}

struct record *spread_pick(struct worker *w, bool oldest)
{
    struct link *newest = w->spread.next;

    if (!oldest)
        return list_empty(&w->records) ? record_of(newest) : record_of(w->records.next);
    if (shelf_count(&w->shelf)) {
        struct link one;
        uint32_t count;

        list_init(&one);
        count = shelf_take_oldest(&w->shelf, &one, 1);
        w->spread_count += count;
        w->unstarted += count;
        if (count)
            list_push_back(&w->spread, one.next);
    }
    w->spread_turn = !w->spread_turn;
    if (list_empty(&w->spread) || (w->spread_turn && !list_empty(&w->records)))
        return record_of(w->records.prev);
    return record_of(w->spread.prev);
}

/* ---- giving ---- */

void spread_send(struct worker *to, struct record *r)
{
    struct worker *w = worker_self;

    if (to == w) {
        ASSERT(!(r->how & RECORD_SPREAD)); /* that is counted with the others */
        record_keep(w, r);
        return;
    }
    record_away(r, w->index);
    r->message.deliver = spread_arrive;
    worker_post(to, &r->message);
}

static uint32_t load_of(const struct worker *w)
{
    return __atomic_load_n(&w->load, __ATOMIC_RELAXED);
}

bool spread_gets_round(const struct worker *w, int64_t now)
{
    return now - __atomic_load_n(&w->began, __ATOMIC_RELAXED) < KEPT_NS || inbox_parked(&w->inbox);
}

/* Who has the fewest. Each deal brings the two nearer by two. One's own word is a pass old, and
 * may be less than `mine`: nobody deals to himself. */
static void set_deal(struct worker *w, uint32_t mine)
{
    uint32_t least = mine;

    for (unsigned i = 0; i < w->rt->count; i++) {
        const struct worker *other = w->rt->workers[i];

        if (i != w->index && load_of(other) < least && spread_gets_round(other, w->now)) {
            least = load_of(other);
            w->least = i;
        }
    }
    least += least / 8 + DEAL_SLACK;
    w->deal_left = mine > least ? (mine - least + 1) / 2 : 0;
}

/* Who looks after the others does so at the first record that it would start in a pass: a server's
 * come one by one, each from a task that the pass began with, and mostly there is none. */
static bool has_to_deal(struct worker *w)
{
    if (w->deal_left == DEAL_UNKNOWN)
        set_deal(w, w->load);
    if (w->deal_left == 0)
        return false;
    w->deal_left--;
    return true;
}

bool spread_deal(struct worker *w, struct record *r)
{
    if (!(r->how & RECORD_SPREAD) || !has_to_deal(w))
        return false;
    w->bypassed = 0;
    record_unqueue(w, r);
    spread_send(w->rt->workers[w->least], r);
    return true;
}

/* What would be dealt anyway goes at once: from the shelf it would call an idle worker in vain. */
void spread_add(struct worker *w, struct record *r)
{
    if (w->deal_left && has_to_deal(w))
        spread_send(w->rt->workers[w->least], r);
    else
        keep(w, r);
}

void spread_look(struct worker *w)
{
    uint32_t load = (uint32_t)(fds_waiting(w->kernel) + w->kernel->under_way);

    if (w->spread_count == 0 && shelf_count(&w->shelf))
        (void)fetch(w, 1);
    w->deal_left = load > DEAL_SLACK ? DEAL_UNKNOWN : 0;
    if (load != load_of(w)) /* others look at this line */
        __atomic_store_n(&w->load, load, __ATOMIC_RELAXED);
}

/* ---- taking ---- */

bool spread_anywhere(const struct worker *w)
{
    for (unsigned i = 0; i < w->rt->count; i++)
        if (shelf_any(&w->rt->workers[i]->shelf))
            return true;
    return false;
}

/* r becomes a child of this worker's branch of its group. False: there is no memory for that. */
static bool adopt(struct worker *w, struct record *r)
{
    struct branch *b = branch_for(w, r->group);

    if (b == NULL)
        return false;
    (void)stack_pool_of_class(&w->stacks, r->stacks);
    if (!PLANTED(UNCOUNTED_TAKE))
        b->taken++;
    b->group.live++;
    r->group = &b->group;
    return true;
}

static void take(struct worker *w, struct worker *from, struct link *batch, uint32_t count)
{
    struct link *l;

    while ((l = batch->prev) != batch && adopt(w, record_of(l))) {
        struct record *r = record_of(l);

        list_remove_fast(l);
        count--;
        record_away(r, from->index);
        list_push_front(&w->spread, l);
        w->spread_count++;
        w->unstarted++;
    }
    /* The rest stays in others' reach: what is started first may be long. */
    if (w->spread_count > 1)
        shelve(w, w->spread_count - 1);
    if (count) /* it can do nothing for these */
        shelf_put(&from->shelf, batch, count);
}

bool spread_steal(struct worker *w)
{
    unsigned count = w->rt->count;

    for (unsigned i = 1; i < count && w->spread_count == 0; i++) {
        struct worker *from = w->rt->workers[(w->index + i) % count];
        struct link batch;
        uint32_t taken;

        if (!shelf_any(&from->shelf))
            continue;
        list_init(&batch);
        taken = shelf_take_oldest(&from->shelf, &batch, STEAL_MOST);
        worker_turn(w);
        take(w, from, &batch, taken);
    }
    return w->spread_count != 0;
}

/* ---- arriving by message ---- */

/* The spawner's worker hears of a child that could not be had here. */
static void refused(struct message *m)
{
    record_lost(worker_self, CONTAINER(m, struct record, message));
}

void spread_arrive(struct message *m)
{
    struct worker *w = worker_self;
    struct record *r = CONTAINER(m, struct record, message);

    if (!adopt(w, r)) {
        m->deliver = refused;
        worker_post(((struct task *)r->group->scope.owner)->worker, m);
        return;
    }
    if (r->how & RECORD_SPREAD) {
        keep(w, r);
        return;
    }
    record_keep(w, r);
}

/* ---- the memory of records goes home ---- */

enum { RETURN_BATCH = 32 };

struct returns {
    struct record *first;
    uint32_t count;
};

static void returned(struct message *m)
{
    struct record *r = CONTAINER(m, struct record, message), *next;

    for (; r; r = next) {
        next = r->behind;
        r->how &= RECORD_COPIED;
        record_release(worker_self, r);
    }
}

static void send_returns(struct worker *w, unsigned home)
{
    struct record *r = w->returns[home].first;

    w->returning -= w->returns[home].count;
    w->returns[home] = (struct returns){0};
    r->message.deliver = returned;
    worker_post(w->rt->workers[home], &r->message);
}

void spread_return(struct worker *w, struct record *r)
{
    struct returns *to = &w->returns[r->home];

    r->behind = to->first;
    to->first = r;
    w->returning++;
    if (++to->count == RETURN_BATCH)
        send_returns(w, r->home);
}

void spread_return_all(struct worker *w)
{
    for (unsigned i = 0; w->returning; i++)
        if (w->returns[i].count)
            send_returns(w, i);
}

int spread_open(struct worker *w)
{
    w->returns = calloc(w->rt->count, sizeof *w->returns);
    return w->returns ? 0 : -ENOMEM;
}

void spread_close(struct worker *w)
{
    free(w->returns);
}

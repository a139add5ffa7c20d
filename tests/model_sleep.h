/* model_sleep.h: who sleeps and who wakes, for the proofs (t_model.c) and for what they must find
 * (t_model_breaks.c).
 *
 * Thread n owns boxes[n] and bells[n], if it sleeps at all. It hears what is there, parks, and
 * waits for its bell; whoever was told to ring rings. An execution ends when nobody can go on, that
 * is with all owners asleep or gone, and then
 *     all that was posted has been heard, once, each sender's in order;
 *     the bell rang once for each park that somebody else ended;
 *     no work is on a shelf, though who put it there never comes back to it.
 * A message's memory and the shelf's list must be handed over without a data race: what is in a
 * message is written before the post, its `next` by post, by take, and by who delivered.
 *
 * Who sleeps beside a shelf does as shelf.h says, in the order that it says: park, add to the
 * idlers, look at the shelf. To begin with it has just looked, in vain: what it saw then decides
 * nothing. Counters of the scenario are plain variables: they are sums, which hang on the graph
 * alone, and not on the order in which it was found.
 */
#ifndef MODEL_SLEEP_H
#define MODEL_SLEEP_H

#include "tests/model.h"

/* The shelf's list is plain memory under its lock. */
static struct model_cell listed;
#define list_splice_front(to, from) (model_write(&listed, "a list"), list_splice_front(to, from))
#define list_remove_fast(link) (model_write(&listed, "a list"), list_remove_fast(link))

#include "base/inbox.h"
#include "base/shelf.h"

enum { THREADS = MODEL_THREADS, MOST = 3, STOP = -1 };

struct parcel {
    struct message message;
    struct model_cell load, next;
    int from, number;
};

static struct inbox boxes[THREADS]; /* of the thread of that number */
static uint32_t bells[THREADS];
static struct parcel parcels[THREADS][MOST], stop;
static int posts;  /* each poster's */
static int posted; /* in this execution */
static int rises;  /* how often an owner may get up although nobody rang: a completion came */
static int heard[THREADS][THREADS]; /* by whom, from whom */
static int rings[THREADS], parks[THREADS], waits[THREADS];
static bool stopped[THREADS];

static struct shelf shelf;
static struct idlers idlers;
static struct work {
    struct link link;
    struct model_cell load;
    bool begun, done;
} works[MOST];
static int batches;           /* that the busy one puts on its shelf, one after the other */
static bool heeding = true;   /* who was called takes the call down */
static bool recalling = true; /* who found nobody to rouse takes its call back */
static bool relooking = true; /* and looks whether somebody is asleep by now */

/* ---- messages ---- */

static struct parcel *parcel_of(struct message *m)
{
    return CONTAINER(m, struct parcel, message);
}

/* An update is about to publish a message, whose `next` has just been written. */
static void about_to_post(uintptr_t value)
{
    if (value > (uintptr_t)INBOX_PARKED)
        model_write(&parcel_of((struct message *)value)->next, "message->next");
}

/* A chain was taken, and is about to be turned round. */
static void about_to_turn(uintptr_t value)
{
    if (value <= (uintptr_t)INBOX_PARKED)
        return;
    for (struct message *m = (struct message *)value; m; m = m->next)
        model_write(&parcel_of(m)->next, "message->next");
}

static void deliver(struct message *m)
{
    struct parcel *p = parcel_of(m);
    int me = model_me();

    model_write(&p->load, "a message's memory");
    model_write(&p->next, "message->next");
    if (p->number == STOP)
        stopped[me] = true;
    else if (p->number != heard[me][p->from]++)
        model_fault("out of order, or twice");
}

static void deliver_all(struct message *m)
{
    struct message *next;

    for (; m; m = next) {
        next = m->next;
        m->deliver(m);
    }
}

static void hear(void)
{
    deliver_all(inbox_take(&boxes[model_me()]));
}

static void ring(int whose)
{
    rings[whose]++;
    model_ring(&bells[whose]);
}

static void post_to(int whose, struct parcel *p, int number)
{
    p->message.deliver = deliver;
    p->from = model_me();
    p->number = number;
    posted++;
    model_write(&p->load, "a message's memory");
    if (inbox_post(&boxes[whose], &p->message))
        ring(whose);
}

static void begin(void)
{
    memset(boxes, 0, sizeof boxes);
    memset(parcels, 0, sizeof parcels);
    memset(&stop, 0, sizeof stop);
    memset(heard, 0, sizeof heard);
    memset(rings, 0, sizeof rings);
    memset(parks, 0, sizeof parks);
    memset(waits, 0, sizeof waits);
    memset(stopped, 0, sizeof stopped);
    memset(works, 0, sizeof works);
    memset(&idlers, 0, sizeof idlers);
    memset(&listed, 0, sizeof listed);
    posted = 0;
    shelf_init(&shelf);
    model.publish = about_to_post;
    model.got = about_to_turn;
}

/* ---- one owner, and who posts ---- */

static void post(void)
{
    for (int i = 0; i < posts; i++)
        post_to(0, &parcels[model_me()][i], i);
}

static void post_once(void)
{
    post_to(0, &parcels[model_me()][0], 0);
}

static void rouse(void)
{
    if (inbox_rouse(&boxes[0]))
        ring(0);
}

static void wait_for_bell(int me)
{
    model_wait(&bells[me]);
    waits[me]++;
}

static void own(void)
{
    int may_rise = rises;

    for (;; hear()) {
        if (!inbox_park(&boxes[0]))
            continue;
        parks[0]++;
        if (may_rise-- <= 0 || model_either())
            wait_for_bell(0);
    }
}

static int heard_by(int whom)
{
    int sum = 0;

    for (int from = 0; from < THREADS; from++)
        sum += heard[whom][from];
    return sum;
}

static void all_is_heard(void)
{
    for (int t = 1; t < model.count; t++)
        if (model.threads[t].state != MODEL_DONE)
            model_fault("a poster is held up");
    if (!model_waiting(0))
        model_fault("the owner is neither awake nor asleep");
    if (heard_by(0) != posted)
        model_fault("asleep with a message there: %d of %d heard", heard_by(0), posted);
    if (model_left(&boxes[0].word) != (uintptr_t)INBOX_PARKED)
        model_fault("asleep, and it does not say so");
    if (rises == 0 && (rings[0] != waits[0] || parks[0] != waits[0] + 1))
        model_fault("%d parks, %d rings", parks[0], rings[0]);
    if (rings[0] >= parks[0])
        model_fault("a ring too many: %d, of %d parks", rings[0], parks[0]);
}

static const struct model one_poster = {begin, {own, post}, all_is_heard};
static const struct model two_posters = {begin, {own, post, post}, all_is_heard};
static const struct model unlike_posters = {begin, {own, post, post_once}, all_is_heard};
static const struct model three_posters = {begin, {own, post, post, post}, all_is_heard};
static const struct model post_and_rouse = {begin, {own, post, rouse}, all_is_heard};
static const struct model posts_and_rouses = {begin, {own, post, rouse, rouse}, all_is_heard};

/* ---- idlers and the shelf ---- */

static void help_oneself(void)
{
    struct link mine, *l;

    list_init(&mine);
    while (shelf_any(&shelf)) {
        shelf_take_oldest(&shelf, &mine, MOST);
        while ((l = list_pop_front(&mine)) != NULL) {
            struct work *w = CONTAINER(l, struct work, link);

            model_write(&w->load, "a work's memory");
            if (w->done)
                model_fault("work was done twice");
            w->done = true;
        }
    }
}

/* As runtime.c does it. */
static void rise(int me)
{
    struct message *m = inbox_take(&boxes[me]);

    idlers_remove(&idlers);
    if (heeding)
        idlers_heed(&idlers);
    deliver_all(m);
}

static void idle(void)
{
    int me = model_me();

    while (!stopped[me]) {
        if (inbox_park(&boxes[me])) {
            idlers_add(&idlers);
            if (!shelf_any(&shelf))
                wait_for_bell(me);
            rise(me);
        } else {
            hear();
        }
        help_oneself();
    }
}

/* Thread 0 is busy for ever: it puts, rouses one, and never comes back. */
static void put(int number)
{
    struct work *w = &works[number];
    struct link batch;

    list_init(&batch);
    list_push_back(&batch, &w->link);
    model_write(&w->load, "a work's memory");
    w->begun = true;
    shelf_put(&shelf, &batch, 1);
}

static bool rouse_any(void)
{
    for (int t = 1; t < model.count; t++)
        if (model.threads[t].body == idle && inbox_rouse(&boxes[t])) {
            ring(t);
            return true;
        }
    return false;
}

static bool any_parked(void)
{
    for (int t = 1; t < model.count; t++)
        if (model.threads[t].body == idle && inbox_parked(&boxes[t]))
            return true;
    return false;
}

/* As runtime_call_idler() does it. */
static void rouse_one(void)
{
    while (idlers_call(&idlers)) {
        if (rouse_any() || !recalling)
            return;
        idlers_heed(&idlers);
        if (!relooking || !any_parked())
            return;
    }
}

static void be_busy(void)
{
    for (int i = 0; i < batches; i++) {
        put(i);
        rouse_one();
    }
}

/* Another one, who is busy as well: with work of its own. */
static void be_busy_too(void)
{
    put(batches);
    rouse_one();
}

/* The same two questions without idlers in between: of one sleeper, and its word alone. */
static void rouse_uncounted(void)
{
    put(0);
    if (inbox_rouse(&boxes[1]))
        ring(1);
}

static void rouse_if_parked(void)
{
    put(0);
    if (inbox_parked(&boxes[1]) && inbox_rouse(&boxes[1]))
        ring(1);
}

static void send_stop(void)
{
    post_to(1, &stop, STOP);
}

static void no_work_is_left(void)
{
    uint32_t asleep = 0;

    for (int t = 0; t < model.count; t++) {
        bool sleeper = model.threads[t].body == idle, sleeps = model_waiting(t);

        if (!sleeps && model.threads[t].state != MODEL_DONE)
            model_fault("thread %d looks at a lock for ever", t);
        if (sleeps && model_left(&boxes[t].word) != (uintptr_t)INBOX_PARKED)
            model_fault("thread %d is asleep with a message there", t);
        if (sleeps == (!sleeper || stopped[t]))
            model_fault("thread %d has not stopped", t);
        asleep += sleeps;
    }
    if (model_left(&idlers.count) != asleep)
        model_fault("%d idlers, %u asleep", (int)model_left(&idlers.count), asleep);
    for (int i = 0; i < MOST && asleep > 0; i++)
        if (works[i].begun && !works[i].done)
            model_fault("asleep with work on a shelf");
}

static const struct model one_idles = {begin, {be_busy, idle}, no_work_is_left};
static const struct model uncounted = {begin, {rouse_uncounted, idle}, no_work_is_left};
static const struct model looked_at = {begin, {rouse_if_parked, idle}, no_work_is_left};
static const struct model two_busy = {begin, {be_busy, idle, be_busy_too}, no_work_is_left};
static const struct model two_idle = {begin, {be_busy, idle, idle}, no_work_is_left};
static const struct model stopped_idle = {begin, {be_busy, idle, send_stop}, no_work_is_left};
static const struct model stop_idle = {begin, {send_stop, idle}, no_work_is_left};

#endif

/* t_model.c: no wake-up is lost: base/inbox.h, base/shelf.h and base/lock.h as they ship, in every
 * execution that C11 allows of a few threads. model.h says how, t_model_checker.c that it can.
 *
 * The owner of an inbox hears what is there, parks, and waits for its bell: without any limit, so
 * there is no timer here that could make a lost wake-up good (hazard 39). Whoever was told to ring
 * rings. An execution ends when nobody can go on, that is with all owners asleep or gone, and then
 *     all that was posted has been heard, once, each sender's in order;
 *     the bell rang once for each park that somebody else ended;
 *     no work is on a shelf, though who put it there never comes back to it.
 * A message's memory and the shelf's list must be handed over without a data race: what is in a
 * message is written before the post, its `next` by post, by take, and by who delivered.
 *
 * Who sleeps here does as shelf.h says, in the order that it says: park, add to the idlers, look at
 * the shelf. Others may lie in between at each step, a stop too (hazard 54).
 *
 * Then the same source with one ordering weakened, or with one step of the protocol left out or put
 * elsewhere: each must be found, or the proof above would be of nothing. Which orderings could be
 * weaker as far as these scenarios show is listed as well, so that nobody takes it for untested.
 *
 * Small on purpose: three threads, two messages each. What is not tried is more of the same.
 */
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
static int posts;       /* each poster's */
static int posted;      /* in this execution */
static int rises;       /* how often an owner may get up although nobody rang: a completion came */
static int heard[THREADS][THREADS]; /* by whom, from whom */
static int rings[THREADS], parks[THREADS], waits[THREADS];
static bool stopped[THREADS];

static struct shelf shelf;
static struct idlers idlers;
static struct work {
    struct link link;
    struct model_cell load;
    bool done;
} works[MOST];
static int puts;

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

static void hear(void)
{
    struct message *next;

    for (struct message *m = inbox_take(&boxes[model_me()]); m; m = next) {
        next = m->next;
        m->deliver(m);
    }
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

    for (;;) {
        hear();
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
static const struct model three_posters = {begin, {own, post, post, post}, all_is_heard};
static const struct model post_and_rouse = {begin, {own, post, rouse}, all_is_heard};
static const struct model posts_and_rouses = {begin, {own, post, rouse, rouse}, all_is_heard};

TEST(hazard_39_no_wake_up_is_lost_between_two_posters_and_an_owner_without_a_timer)
{
    posts = 1;
    CHECK_HOLDS(two_posters);
    posts = 2;
    CHECK_HOLDS(two_posters);
}

TEST(three_posters_are_heard_and_each_park_ends_by_one_ring)
{
    posts = 1;
    CHECK_HOLDS(three_posters);
}

TEST(an_owner_that_rises_by_itself_between_its_parks_loses_nothing)
{
    posts = 2;
    rises = 2;
    CHECK_HOLDS(one_poster);
    posts = rises = 1;
    CHECK_HOLDS(two_posters);
}

TEST(a_rouse_and_a_post_of_one_park_make_one_ring)
{
    posts = 2;
    CHECK_HOLDS(post_and_rouse);
    posts = rises = 1;
    CHECK_HOLDS(post_and_rouse);
    rises = 0;
    CHECK_HOLDS(posts_and_rouses);
}

/* t_model_breaks.c: what t_model.c rests on, taken away piece by piece. Each of these must be
 * found, or the proof there would be of nothing.
 *
 * First the source as it ships, with one ordering weakened (MODEL_WEAKEN). Not found, as it does no
 * harm in any scenario here: post with RELEASE, take with ACQUIRE, idlers_remove() with RELAXED,
 * idlers_heed() with RELEASE, since who was called looks once more before it sleeps again;
 * and park and rouse with RELAXED where a count of idlers is asked between them. Then protocols of
 * this file's own, in which one step is left out, or stands elsewhere.
 */
#include "tests/model_sleep.h"

/* ---- the shipped source, one ordering weaker ---- */

TEST(a_post_that_does_not_release_or_a_take_that_does_not_acquire_is_a_data_race)
{
    posts = 1;
    MODEL_WEAKEN("inbox_post", __ATOMIC_RELAXED);
    CHECK_FOUND(two_posters, "data race: message->next");
    MODEL_WEAKEN("inbox_post", __ATOMIC_ACQUIRE);
    CHECK_FOUND(two_posters, "data race: message->next");
    MODEL_WEAKEN("inbox_take", __ATOMIC_RELAXED);
    CHECK_FOUND(two_posters, "data race: message->next");
    MODEL_WEAKEN("inbox_take", __ATOMIC_RELEASE);
    CHECK_FOUND(two_posters, "data race: message->next");
}

TEST(each_of_the_shelfs_four_must_be_sequentially_consistent)
{
    static const char *const four[] = {"shelf_recount", "idlers_any", "idlers_add", "shelf_any"};

    batches = 1;
    for (int i = 0; i < 4; i++) {
        MODEL_WEAKEN(four[i], __ATOMIC_ACQ_REL);
        CHECK_FOUND(one_idles, "asleep with work on a shelf");
        CHECK_FOUND(two_idle, "asleep with work on a shelf");
    }
}

TEST(park_rouse_and_a_look_at_the_word_must_be_sequentially_consistent_where_no_count_is)
{
    batches = 1;
    MODEL_WEAKEN("inbox_park", __ATOMIC_ACQ_REL);
    CHECK_FOUND(uncounted, "asleep with work on a shelf");
    CHECK_FOUND(looked_at, "asleep with work on a shelf");
    MODEL_WEAKEN("inbox_rouse", __ATOMIC_ACQ_REL);
    CHECK_FOUND(uncounted, "asleep with work on a shelf");
    MODEL_WEAKEN("inbox_parked", __ATOMIC_ACQUIRE);
    CHECK_FOUND(looked_at, "asleep with work on a shelf");
}

TEST(a_lock_that_is_taken_or_given_weakly_is_a_data_race)
{
    batches = 2;
    MODEL_WEAKEN("lock_try", __ATOMIC_RELAXED);
    CHECK_FOUND(one_idles, "data race: a list");
    MODEL_WEAKEN("lock_give", __ATOMIC_RELAXED);
    CHECK_FOUND(one_idles, "data race: a list");
}

/* ---- steps left out, or elsewhere ---- */

static void own_by_plain_stores(void)
{
    for (;; hear()) {
        if (inbox_called(&boxes[0]))
            continue;
        __atomic_store_n(&boxes[0].word, INBOX_PARKED, __ATOMIC_SEQ_CST);
        parks[0]++;
        wait_for_bell(0);
    }
}

/* Rings for the first of a chain, as if an empty inbox were a sleeping owner's. */
static void post_to_the_empty(void)
{
    struct parcel *p = &parcels[model_me()][0];

    posted++;
    p->message.deliver = deliver;
    p->from = model_me();
    model_write(&p->load, "a message's memory");
    bool empty = !inbox_called(&boxes[0]);
    inbox_post(&boxes[0], &p->message);
    if (empty)
        ring(0);
}

static const struct model stored = {begin, {own_by_plain_stores, post_once}, all_is_heard};
static const struct model emptied = {begin, {own, post_to_the_empty}, all_is_heard};

TEST(a_park_that_is_a_store_and_a_ring_for_an_empty_inbox_lose_wake_ups)
{
    CHECK_FOUND(stored, "asleep with a message there");
    CHECK_FOUND(emptied, "asleep with a message there");
}

static void idle_looking_first(void)
{
    help_oneself();
    if (inbox_park(&boxes[1])) {
        idlers_add(&idlers);
        wait_for_bell(1);
    }
}

static void rouse_before_the_put(void)
{
    bool any = idlers_any(&idlers);

    put(0);
    if (any && inbox_rouse(&boxes[1]))
        ring(1);
}

static void idle_looking_later(void)
{
    if (inbox_park(&boxes[1])) {
        idlers_add(&idlers);
        if (!shelf_any(&shelf))
            wait_for_bell(1);
    }
}

static void work_is_seen_or_rung_for(void)
{
    if (model_waiting(1) && rings[1] == 0)
        model_fault("asleep with work on a shelf");
}

static const struct model first = {
    begin, {rouse_uncounted, idle_looking_first}, work_is_seen_or_rung_for};
static const struct model later = {
    begin, {rouse_uncounted, idle_looking_later}, work_is_seen_or_rung_for};
static const struct model before = {begin, {rouse_before_the_put, idle}, no_work_is_left};

TEST(to_look_before_one_says_so_or_to_ask_before_one_puts_loses_wake_ups)
{
    batches = 1;
    CHECK_FOUND(first, "asleep with work on a shelf");
    CHECK_HOLDS(later);
    CHECK_FOUND(before, "asleep with work on a shelf");
}

TEST(a_call_that_is_not_taken_down_or_not_taken_back_hides_the_next)
{
    batches = 2;
    heeding = false;
    CHECK_FOUND(one_idles, "asleep with work on a shelf");
    heeding = true;
    recalling = false;
    CHECK_FOUND(one_idles, "asleep with work on a shelf");
    recalling = true;
    batches = 1;
    relooking = false;
    if (SCALED(true, false)) /* found late: an emulated CPU would take minutes */
        CHECK_FOUND(two_busy, "asleep with work on a shelf");
}

static uint32_t stop_flag;

static void set_the_flag(void)
{
    __atomic_store_n(&stop_flag, 1, __ATOMIC_SEQ_CST);
    if (inbox_rouse(&boxes[1]))
        ring(1);
}

static void idle_until_the_flag(void)
{
    while (!__atomic_load_n(&stop_flag, __ATOMIC_SEQ_CST)) {
        if (inbox_park(&boxes[1]))
            wait_for_bell(1);
        hear();
    }
}

static void idle_looking_at_the_flag(void)
{
    while (!__atomic_load_n(&stop_flag, __ATOMIC_SEQ_CST)) {
        if (inbox_park(&boxes[1]) && !__atomic_load_n(&stop_flag, __ATOMIC_SEQ_CST))
            wait_for_bell(1);
        hear();
    }
}

static void it_has_stopped(void)
{
    if (model_waiting(1))
        model_fault("the stop was not heard");
}

static const struct model flagged = {begin, {set_the_flag, idle_until_the_flag}, it_has_stopped};
static const struct model flag_seen = {
    begin, {set_the_flag, idle_looking_at_the_flag}, it_has_stopped};

TEST(hazard_54_a_stop_that_is_a_flag_is_missed_by_who_does_not_look_at_it_after_the_park)
{
    CHECK_FOUND(flagged, "the stop was not heard");
    CHECK_HOLDS(flag_seen);
}

/* t_model.c: no wake-up is lost: base/inbox.h, base/shelf.h and base/lock.h as they ship, in every
 * execution that C11 allows of a few threads. model_sleep.h has the threads and what is claimed of
 * them, model.h says how it is tried, t_model_checker.c that it can be.
 *
 * Who waits for a bell does so without any limit: there is no timer here that could make a lost
 * wake-up good (hazard 39). A stop is a message like others, and may come at each step (hazard 54).
 *
 * Small on purpose: four threads, two messages each. What is not tried is more of the same.
 * t_model_breaks.c weakens each ordering that this rests on, and sees it fail.
 */
#include "tests/model_sleep.h"

TEST(hazard_39_no_wake_up_is_lost_between_two_posters_and_an_owner_without_a_timer)
{
    posts = 1;
    CHECK_HOLDS(two_posters);
    posts = 2;
    CHECK_HOLDS(one_poster);
    CHECK_HOLDS(unlike_posters);
}

TEST(three_posters_are_heard_and_each_park_ends_by_one_ring)
{
    if (TAP_SMALL)
        SKIP("300,000 executions, which an emulated CPU may take a minute for");
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

TEST(nobody_sleeps_for_ever_while_work_is_on_a_shelf)
{
    batches = 1;
    CHECK_HOLDS(one_idles);
    batches = 2;
    CHECK_HOLDS(one_idles);
    batches = 1;
    relooking = false; /* who looks again is modelled below: here it would take minutes, too */
    if (SCALED(true, false))
        CHECK_HOLDS(two_idle);
}

TEST(nor_where_two_bring_work_and_one_keeps_silent_since_the_other_calls)
{
    if (getenv("REEVE_TEST_DEEP") == NULL)
        SKIP("takes minutes: REEVE_TEST_DEEP=1 TEST_SECONDS=3600");
    batches = 1;
    CHECK_HOLDS(two_busy);
}

TEST(park_and_rouse_find_each_other_without_a_count_of_idlers)
{
    batches = 1;
    CHECK_HOLDS(uncounted);
    CHECK_HOLDS(looked_at);
}

TEST(hazard_54_a_stop_is_heard_at_each_step_of_falling_asleep)
{
    CHECK_HOLDS(stop_idle);
    batches = 1;
    CHECK_HOLDS(stopped_idle);
}

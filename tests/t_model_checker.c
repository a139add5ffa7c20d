/* t_model_checker.c: does the checker of model.h know what C11 allows? Neither less, or it would
 * miss a bug, nor more, or it would find some that are none.
 *
 * First the litmus tests of the literature, each with all its outcomes: a thread notes what it
 * read, the notes of an execution are one number in base 4, and the set of those numbers is what is
 * compared. Then protocols that are wrong, which it must find, beside others that are right.
 * t_model.c has the library's own, t_model_breaks.c those with something taken away.
 */
#include "tests/model.h"

static uint32_t x, y, f, bell;
static unsigned notes[4];
static uint64_t outcomes; /* bit n: n came out once */

static void nothing(void)
{
    memset(notes, 0, sizeof notes);
}

static void note_all(void)
{
    outcomes |= UINT64_C(1) << (notes[0] + notes[1] * 4 + notes[2] * 16);
}

#define OUT(a, b, c) (UINT64_C(1) << ((a) + (b)*4 + (c)*16))

#define LITMUS(name, ...) static const struct model name = {nothing, {__VA_ARGS__}, note_all}

#define RUNS(name, expected)                        \
    do {                                            \
        outcomes = 0;                               \
        CHECK_HOLDS(name);                          \
        CHECK_EQ((long)outcomes, (long)(expected)); \
    } while (0)

/* A thread of a litmus test. */
#define THREAD(name, ...)  \
    static void name(void) \
    {                      \
        __VA_ARGS__;       \
    }
#define W(place, value, order) __atomic_store_n(&(place), value, __ATOMIC_##order)
#define R(place, order) __atomic_load_n(&(place), __ATOMIC_##order)
#define ADD(place, value, order) __atomic_fetch_add(&(place), value, __ATOMIC_##order)

THREAD(buffer_x, W(x, 1, RELAXED); notes[0] = R(y, RELAXED))
THREAD(buffer_y, W(y, 1, RELAXED); notes[1] = R(x, RELAXED))
LITMUS(buffers, buffer_x, buffer_y);

TEST(two_relaxed_threads_may_both_miss_the_others_store)
{
    RUNS(buffers, OUT(0, 0, 0) | OUT(0, 1, 0) | OUT(1, 0, 0) | OUT(1, 1, 0));
}

THREAD(ordered_x, W(x, 1, SEQ_CST); notes[0] = R(y, SEQ_CST))
THREAD(ordered_y, W(y, 1, SEQ_CST); notes[1] = R(x, SEQ_CST))
LITMUS(ordered, ordered_x, ordered_y);

TEST(of_two_sequentially_consistent_threads_one_sees_the_other)
{
    RUNS(ordered, OUT(0, 1, 0) | OUT(1, 0, 0) | OUT(1, 1, 0));
}

/* What an approximation by "SEQ_CST reads the latest" would get wrong. */
THREAD(added_x, ADD(x, 1, ACQ_REL); notes[0] = R(y, SEQ_CST))
THREAD(added_y, ADD(y, 1, ACQ_REL); notes[1] = R(x, SEQ_CST))
LITMUS(half_ordered, added_x, added_y);

TEST(a_weaker_update_is_not_ordered_before_a_sequentially_consistent_load)
{
    RUNS(half_ordered, OUT(0, 0, 0) | OUT(0, 1, 0) | OUT(1, 0, 0) | OUT(1, 1, 0));
}

THREAD(tell, W(x, 1, RELAXED); W(y, 1, RELEASE))
THREAD(tell_weakly, W(x, 1, RELAXED); W(y, 1, RELAXED))
THREAD(listen, notes[0] = R(y, ACQUIRE); notes[1] = R(x, RELAXED))
LITMUS(message, tell, listen);
LITMUS(weak_message, tell_weakly, listen);

TEST(a_release_that_an_acquire_reads_brings_along_what_came_before)
{
    RUNS(message, OUT(0, 0, 0) | OUT(0, 1, 0) | OUT(1, 1, 0));
    RUNS(weak_message, OUT(0, 0, 0) | OUT(0, 1, 0) | OUT(1, 0, 0) | OUT(1, 1, 0));
}

THREAD(pass_on, ADD(y, 2, RELAXED))
THREAD(replace, W(y, 3, RELAXED))
LITMUS(sequence, tell, pass_on, listen);
LITMUS(no_sequence, tell, replace, listen);

TEST(an_update_passes_a_release_on_and_another_threads_store_does_not)
{
    uint64_t any = OUT(0, 0, 0) | OUT(0, 1, 0) | OUT(1, 1, 0) | OUT(3, 1, 0);

    RUNS(sequence, any | OUT(2, 0, 0) | OUT(2, 1, 0));
    RUNS(no_sequence, any | OUT(3, 0, 0));
}

THREAD(count_up, W(x, 1, RELAXED); W(x, 2, RELAXED))
THREAD(look_twice, notes[0] = R(x, RELAXED); notes[1] = R(x, RELAXED))
LITMUS(coherence, count_up, look_twice);

TEST(who_looks_at_one_place_again_sees_nothing_older)
{
    RUNS(coherence,
         OUT(0, 0, 0) | OUT(0, 1, 0) | OUT(0, 2, 0) | OUT(1, 1, 0) | OUT(1, 2, 0) | OUT(2, 2, 0));
}

THREAD(x_one_y_two, W(x, 1, RELEASE); W(y, 2, RELEASE))
THREAD(y_one_x_two, W(y, 1, RELEASE); W(x, 2, RELEASE))
THREAD(x_one_y_two_sc, W(x, 1, SEQ_CST); W(y, 2, SEQ_CST))
THREAD(y_one_x_two_sc, W(y, 1, SEQ_CST); W(x, 2, SEQ_CST))

static void note_what_is_left(void)
{
    notes[0] = (unsigned)model_left(&x);
    notes[1] = (unsigned)model_left(&y);
    note_all();
}

static const struct model writes = {nothing, {x_one_y_two, y_one_x_two}, note_what_is_left};
static const struct model writes_sc = {
    nothing, {x_one_y_two_sc, y_one_x_two_sc}, note_what_is_left};

TEST(stores_may_come_to_lie_before_those_that_were_there_first)
{
    RUNS(writes, OUT(1, 1, 0) | OUT(1, 2, 0) | OUT(2, 1, 0) | OUT(2, 2, 0));
    RUNS(writes_sc, OUT(1, 2, 0) | OUT(2, 1, 0) | OUT(2, 2, 0));
}

THREAD(one_x, W(x, 1, SEQ_CST))
THREAD(one_y, W(y, 1, SEQ_CST))
THREAD(x_then_y, notes[0] = R(x, ACQUIRE); notes[0] += 2 * R(y, ACQUIRE))
THREAD(y_then_x, notes[1] = 2 * R(y, ACQUIRE); notes[1] += R(x, ACQUIRE))
THREAD(x_then_y_sc, notes[0] = R(x, SEQ_CST); notes[0] += 2 * R(y, SEQ_CST))
THREAD(y_then_x_sc, notes[1] = 2 * R(y, SEQ_CST); notes[1] += R(x, SEQ_CST))
LITMUS(readers, one_x, one_y, x_then_y, y_then_x);
LITMUS(readers_sc, one_x, one_y, x_then_y_sc, y_then_x_sc);

TEST(two_readers_may_disagree_unless_they_too_are_sequentially_consistent)
{
    RUNS(readers, 0xffff);
    RUNS(readers_sc, 0xffff & ~OUT(1, 2, 0));
}

/* x is before f, f before y, in the order of happening; and so in the other. */
THREAD(first_x, W(x, 1, SEQ_CST); W(f, 1, RELEASE))
THREAD(then_y, notes[0] = R(f, ACQUIRE); notes[1] = R(y, SEQ_CST))
THREAD(y_or_x, W(y, 1, SEQ_CST); notes[2] = R(x, SEQ_CST))
THREAD(then_y_unheard, notes[0] = R(f, RELAXED); notes[1] = R(y, SEQ_CST))
LITMUS(chain, first_x, then_y, y_or_x);
LITMUS(no_chain, first_x, then_y_unheard, y_or_x);

TEST(what_is_told_by_release_and_acquire_elsewhere_is_in_the_sequential_order_too)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < 8; i++)
        all |= OUT(i & 1, i >> 1 & 1, i >> 2);
    RUNS(no_chain, all);
    RUNS(chain, all & ~OUT(1, 0, 0));
}

/* Z6.U of the paper: compilers for Power do this, C11 forbade it, C++20 does not. */
THREAD(z_first, W(x, 1, SEQ_CST); W(y, 1, RELEASE))
THREAD(z_second, notes[0] = ADD(y, 1, SEQ_CST); notes[1] = R(y, RELAXED))
THREAD(z_third, W(y, 3, SEQ_CST); notes[2] = R(x, SEQ_CST))
THREAD(z_first_sc, W(x, 1, SEQ_CST); W(y, 1, SEQ_CST))
LITMUS(z6, z_first, z_second, z_third);
LITMUS(z6_sc, z_first_sc, z_second, z_third);

TEST(what_happened_before_need_not_come_first_in_the_sequential_order)
{
    outcomes = 0;
    CHECK_HOLDS(z6);
    CHECK((outcomes & OUT(1, 3, 0)) != 0);
    outcomes = 0;
    CHECK_HOLDS(z6_sc);
    CHECK((outcomes & OUT(1, 3, 0)) == 0);
}

THREAD(load_x, notes[0] = R(x, RELAXED); W(y, 1, RELAXED))
THREAD(load_y, notes[1] = R(y, RELAXED); W(x, 1, RELAXED))
LITMUS(loads, load_x, load_y);

TEST(load_buffering_is_what_is_left_out)
{
    RUNS(loads, OUT(0, 0, 0) | OUT(0, 1, 0) | OUT(1, 0, 0));
}

/* ---- updates ---- */

THREAD(first_adds, notes[0] = ADD(x, 1, RELAXED))
THREAD(second_adds, notes[1] = ADD(x, 1, RELAXED))
THREAD(third_adds, notes[2] = ADD(x, 1, RELAXED))
LITMUS(additions, first_adds, second_adds, third_adds);

TEST(no_two_updates_read_the_same_value)
{
    RUNS(additions,
         OUT(0, 1, 2) | OUT(0, 2, 1) | OUT(1, 0, 2) | OUT(1, 2, 0) | OUT(2, 0, 1) | OUT(2, 1, 0));
}

static void compare(void)
{
    uint32_t old = 1;

    notes[0] = __atomic_compare_exchange_n(&x, &old, 2, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    notes[1] = old;
    notes[2] = R(x, RELAXED);
}

LITMUS(comparisons, one_x, compare);

TEST(an_exchange_that_fails_is_a_load_and_may_be_of_the_past)
{
    RUNS(comparisons, OUT(1, 1, 2) | OUT(0, 0, 0) | OUT(0, 0, 1));
}

/* ---- plain memory, and waiting ---- */

static struct model_cell cell;

static void no_access(void)
{
    nothing();
    memset(&cell, 0, sizeof cell);
}

static void write_and_tell(void)
{
    model_write(&cell, "the cell");
    W(x, 1, RELEASE);
}

static void hear_and_read(void)
{
    if (R(x, ACQUIRE))
        model_read(&cell, "the cell");
}

static void tell_and_write(void)
{
    W(x, 1, RELEASE);
    model_write(&cell, "the cell");
}

static void read_and_tell(void)
{
    model_read(&cell, "the cell");
    W(x, 1, RELEASE);
}

static void hear_and_write(void)
{
    if (R(x, ACQUIRE))
        model_write(&cell, "the cell");
}

static const struct model given_back = {no_access, {read_and_tell, hear_and_write}, NULL};
static const struct model told = {no_access, {write_and_tell, hear_and_read}, NULL};
static const struct model told_early = {no_access, {tell_and_write, hear_and_read}, NULL};

TEST(plain_memory_that_is_handed_over_is_no_race_and_otherwise_is_one)
{
    CHECK_HOLDS(told);
    CHECK_HOLDS(given_back);
    CHECK_FOUND(told_early, "data race: the cell");
    MODEL_WEAKEN("write_and_tell", __ATOMIC_RELAXED);
    CHECK_FOUND(told, "data race: the cell");
    MODEL_WEAKEN("hear_and_read", __ATOMIC_RELAXED);
    CHECK_FOUND(told, "data race: the cell");
    MODEL_WEAKEN("read_and_tell", __ATOMIC_RELAXED);
    CHECK_FOUND(given_back, "data race: the cell");
}

static void wait_once(void)
{
    model_wait(&bell);
}

static void ring_once(void)
{
    model_ring(&bell);
}

static void nobody_waits(void)
{
    if (model_waiting(0) || model_waiting(1))
        model_fault("one waits for ever");
}

static const struct model rung = {nothing, {wait_once, ring_once}, nobody_waits};
static const struct model rung_once = {nothing, {wait_once, wait_once, ring_once}, nobody_waits};

TEST(one_ring_ends_one_wait)
{
    CHECK_HOLDS(rung);
    CHECK_FOUND(rung_once, "one waits for ever");
}

/* ---- protocols that lose wake-ups ---- */

static int order;

static void post_beside_a_flag(void)
{
    __atomic_fetch_add(&x, 1, order);
    if (__atomic_load_n(&y, order))
        model_ring(&bell);
}

static void sleep_beside_a_queue(void)
{
    __atomic_store_n(&y, 1, order);
    if (__atomic_load_n(&x, order) == 0)
        model_wait(&bell);
}

static void sleep_without_a_second_look(void)
{
    if (R(x, SEQ_CST) == 0) {
        W(y, 1, SEQ_CST);
        model_wait(&bell);
    }
}

static const struct model beside = {
    nothing, {post_beside_a_flag, sleep_beside_a_queue}, nobody_waits};
static const struct model careless = {
    nothing, {post_beside_a_flag, sleep_without_a_second_look}, nobody_waits};

TEST(a_flag_beside_a_queue_loses_a_wake_up_unless_both_sides_are_fenced)
{
    order = __ATOMIC_ACQ_REL;
    CHECK_FOUND(beside, "one waits for ever");
    order = __ATOMIC_SEQ_CST;
    CHECK_HOLDS(beside);
    CHECK_FOUND(careless, "one waits for ever");
}

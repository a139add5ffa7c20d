/* t_fd_share.c: which workers use a number, from its first use to its next life. */
#include "tests/tap.h"

#include <limits.h>
#include <pthread.h>

#include "kernel/fd_share.h"

enum { FD = 70000, MANY = 256 };

static struct fd_users closed_by(struct fd_share *s, unsigned worker)
{
    struct fd_users others = {0};

    CHECK_EQ(fd_share_close(s, FD, worker, &others), 0);
    return others;
}

static struct fd_share *used_by_3(void)
{
    struct fd_share *s = fd_share_new();

    CHECK_EQ(fd_share_enter(s, FD, 3), 0);
    return s;
}

TEST(who_uses_a_number_alone_has_nobody_to_ask)
{
    for (unsigned worker = 0; worker < MANY; worker++) {
        struct fd_share *s = fd_share_new();

        for (int i = 0; i < 3; i++)
            CHECK_EQ(fd_share_enter(s, FD, worker), 0);
        CHECK_EQ(closed_by(s, worker).who, 0);
        fd_share_free(s);
    }
}

TEST(all_who_use_a_number_are_known_to_its_closer)
{
    for (unsigned step = 1; step < MANY; step += 7) {
        struct fd_share *s = fd_share_new();
        uint64_t who;

        for (unsigned worker = 0; worker < MANY; worker += step)
            CHECK_EQ(fd_share_enter(s, FD, worker), 0);
        who = closed_by(s, 0).who;
        for (unsigned worker = step; worker < MANY; worker += step)
            CHECK(fd_users_has(who, worker));
        fd_share_free(s);
    }
}

TEST(of_a_few_workers_those_who_do_not_use_a_number_are_not_asked)
{
    struct fd_share *s = used_by_3();
    uint64_t who;

    CHECK_EQ(fd_share_enter(s, FD, 5), 0);
    CHECK_EQ(fd_share_enter(s, FD, 39), 0);
    who = closed_by(s, 3).who;
    for (unsigned worker = 0; worker < 40; worker++)
        CHECK_EQ(fd_users_has(who, worker), worker == 5 || worker == 39);
    fd_share_free(s);
}

TEST(a_number_that_is_being_closed_is_nobodys)
{
    struct fd_share *s = used_by_3();
    struct fd_users others, ignored;

    others = closed_by(s, 3);
    CHECK_EQ(fd_share_enter(s, FD, 3), -EBADF);
    CHECK_EQ(fd_share_enter(s, FD, 4), -EBADF);
    CHECK_EQ(fd_share_close(s, FD, 4, &ignored), -EBADF);
    fd_share_given(s, FD, others.life);
    CHECK_EQ(fd_share_enter(s, FD, 4), -EAGAIN);
    CHECK_EQ(fd_share_close(s, FD, 4, &ignored), -EBADF);
    fd_share_closed(s, FD, others.life);
    CHECK(fd_share_life(s, FD) != others.life);
    CHECK_EQ(fd_share_enter(s, FD, 4), 0);
    CHECK_EQ(closed_by(s, 4).who, 0);
    fd_share_free(s);
}

TEST(a_closers_late_word_does_not_mean_the_numbers_next_file)
{
    struct fd_share *s = used_by_3();
    struct fd_users first = closed_by(s, 3), second;

    fd_share_given(s, FD, first.life);
    CHECK_EQ(fd_share_fresh(s, FD, 5).who, 0); /* before that was heard of */
    CHECK_EQ(fd_share_enter(s, FD, 5), 0);
    fd_share_closed(s, FD, first.life);
    second = closed_by(s, 5);
    CHECK_EQ(second.who, 0);
    CHECK(second.life != first.life);
    fd_share_given(s, FD, first.life);
    CHECK_EQ(fd_share_enter(s, FD, 3), -EBADF);
    fd_share_closed(s, FD, first.life);
    CHECK_EQ(fd_share_enter(s, FD, 3), -EBADF);
    fd_share_closed(s, FD, second.life);
    CHECK_EQ(fd_share_enter(s, FD, 3), 0);
    fd_share_free(s);
}

TEST(hazard_49_who_had_a_number_that_was_given_anew_is_known_and_still_asked_at_its_close)
{
    struct fd_share *s = used_by_3();
    uint32_t life = fd_share_life(s, FD);
    struct fd_users old;

    CHECK_EQ(fd_share_enter(s, FD, 6), 0);
    old = fd_share_fresh(s, FD, 3);
    CHECK(fd_users_has(old.who, 6) && !fd_users_has(old.who, 3));
    CHECK(old.life != life && old.life == fd_share_life(s, FD));
    CHECK_EQ(fd_share_enter(s, FD, 3), 0);
    CHECK(fd_users_has(closed_by(s, 3).who, 6));
    fd_share_free(s);
}

TEST(a_number_that_nobody_used_is_given_without_a_word)
{
    struct fd_share *s = fd_share_new();
    uint32_t life;

    CHECK_EQ(fd_share_fresh(s, FD, 3).who, 0);
    CHECK_EQ(fd_share_enter(s, FD, 3), 0);
    life = fd_share_life(s, FD);
    fd_share_closed(s, FD, life); /* of a close that was none */
    CHECK_EQ(fd_share_life(s, FD), life);
    fd_share_free(s);
}

TEST(each_number_has_a_word_of_its_own)
{
    static const int numbers[] = {0, 1, 1023, 1024, 65536, 1 << 20, (1 << 20) + 1024, INT_MAX};
    struct fd_share *s = fd_share_new();
    struct fd_users others;

    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        CHECK_EQ(fd_share_enter(s, numbers[i], i), 0);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK_EQ(fd_share_close(s, numbers[i], i, &others), 0);
        CHECK_EQ(others.who, 0);
    }
    fd_share_free(s);
}

TEST(lives_go_round_and_leave_users_and_flags_alone)
{
    struct fd_share *s = used_by_3();

    for (int i = 0; i < 20000; i++) {
        struct fd_users others;

        CHECK_EQ(fd_share_enter(s, FD, 4), 0);
        others = closed_by(s, 4);
        CHECK_EQ(fd_users_has(others.who, 3), i == 0);
        fd_share_given(s, FD, others.life);
        fd_share_closed(s, FD, others.life);
    }
    fd_share_free(s);
}

/* ---- on several threads ---- */

static struct contest {
    struct fd_share *share;
    int owners; /* atomic */
} contest;

static void *contend(void *arg)
{
    unsigned worker = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < SCALED(100000, 20000); i++) {
        int fd = i % 2048 * 1024; /* so that levels are made at the same time, too */
        struct fd_users others;

        if (fd_share_enter(contest.share, fd, worker) < 0 ||
            fd_share_close(contest.share, fd, worker, &others) < 0)
            continue;
        fd_share_given(contest.share, fd, others.life);
        fd_share_closed(contest.share, fd, others.life);
        while (fd_share_enter(contest.share, FD, worker) < 0)
            ;
        if (fd_share_close(contest.share, FD, worker, &others) < 0)
            continue;
        CHECK_EQ(__atomic_fetch_add(&contest.owners, 1, __ATOMIC_RELAXED), 0);
        CHECK_EQ(__atomic_fetch_sub(&contest.owners, 1, __ATOMIC_RELAXED), 1);
        fd_share_given(contest.share, FD, others.life);
        fd_share_closed(contest.share, FD, others.life);
    }
    return NULL;
}

TEST(of_many_threads_that_close_one_number_one_at_a_time_does)
{
    pthread_t threads[4];

    contest.share = fd_share_new();
    for (uintptr_t i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, contend, (void *)i), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    fd_share_free(contest.share);
}

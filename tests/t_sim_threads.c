/* t_sim_threads.c: worlds in several threads at once, each with a seed of its own. */
#include <pthread.h>
#include <semaphore.h>

#include "reeve_sim.h"
#include "tests/tap.h"

enum { DIES = 7001, ENDS = 7002, SEEDS = 200 };

static const rv_sim_options calm = {.without = RV_SIM_ALL};
static sem_t begun, ended;

static int nothing(void *unused)
{
    (void)unused;
    return 0;
}

static int outlive_the_other(void *unused)
{
    (void)unused;
    sem_post(&begun);
    sem_wait(&ended);
    abort();
}

static void *run_beside(void *unused)
{
    (void)unused;
    sem_wait(&begun);
    CHECK_EQ(rv_sim_run(ENDS, &calm, nothing, NULL), 0);
    sem_post(&ended);
    pause();
    return NULL;
}

TEST_DIES(a_world_that_dies_says_its_own_seed_though_another_threads_ran_since,
          "seed 7001: the process ends by a signal")
{
    pthread_t other;

    sem_init(&begun, 0, 0);
    sem_init(&ended, 0, 0);
    CHECK_EQ(pthread_create(&other, NULL, run_beside, NULL), 0);
    CHECK_EQ(rv_sim_run(DIES, &calm, outlive_the_other, NULL), 0);
}

/* ---- the same runs ---- */

static int wander(void *unused)
{
    int fds[2], err = rv_pipe(fds, 0);
    char bytes[64];

    (void)unused;
    if (err < 0)
        return 0;
    for (int i = 0; i < 5; i++) {
        ssize_t n = rv_write(fds[1], "some bytes of a pipe", 20);

        if (n > 0)
            n = rv_read(fds[0], bytes, sizeof bytes);
        rv_sim_note("moved", n);
        if (rv_sleep((rv_time)rv_sim_random(RV_MS)) < 0)
            break;
    }
    rv_close(fds[0]);
    rv_close(fds[1]);
    return 0;
}

static void *hash_runs(void *out)
{
    uint64_t hash = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        CHECK_EQ(rv_sim_run(seed, NULL, wander, NULL), 0);
        hash = hash * 31 + rv_sim_last().hash;
    }
    *(uint64_t *)out = hash;
    return NULL;
}

TEST(runs_beside_others_are_the_runs_that_they_are_alone)
{
    uint64_t alone, beside[4];
    pthread_t threads[4];

    hash_runs(&alone);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, hash_runs, &beside[i]), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(beside[i] == alone);
    }
}

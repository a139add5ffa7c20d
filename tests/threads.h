/* threads.h: what the tests of several threads share: a runtime that plain threads know of, and
 * what can be learnt of a process's threads.
 *
 * in_each_runtime() runs a body on a plain thread, beside runtimes of one, two and four workers: of
 * rv_run(), whose first task waits meanwhile, and of rv_runtime_new().
 */
#ifndef THREADS_H
#define THREADS_H

#include "tests/net.h"

#include <semaphore.h>

#define NO_REAL_THREADS "threads of its own"

static inline void start_thread(pthread_t *out, void *(*fn)(void *), void *arg)
{
    MUST(-pthread_create(out, NULL, fn, arg));
}

/* Of so many workers, which say nothing of how busy the machine is. */
#define WORKERS(count) (&(rv_options){.workers = (count), .watchdog_ms = RV_WATCHDOG_OFF})

static inline rv_runtime *new_runtime(unsigned workers)
{
    rv_runtime *rt = NULL;

    MUST(rv_runtime_new(&rt, WORKERS(workers)));
    return rt;
}

/* ---- beside a runtime ---- */

struct beside {
    void (*body)(rv_runtime *rt);
    rv_runtime *rt;
    int done[2];
};

static inline void *beside_thread(void *arg)
{
    struct beside *b = arg;

    b->body(b->rt);
    MUST(write(b->done[1], "x", 1));
    return NULL;
}

static inline int beside_first_task(void *arg)
{
    struct beside *b = arg;
    pthread_t thread;
    char byte;

    b->rt = rv_runtime_self();
    MUST(pipe2(b->done, O_CLOEXEC));
    start_thread(&thread, beside_thread, b);
    CHECK_EQ(rv_read(b->done[0], &byte, 1), 1);
    MUST(-pthread_join(thread, NULL));
    close_both(b->done);
    return 0;
}

static inline void in_each_runtime(void (*body)(rv_runtime *rt))
{
    struct beside b = {.body = body};

    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        rv_runtime *rt = new_runtime(workers);

        body(rt);
        rv_runtime_free(rt);
        CHECK_EQ(rv_run(beside_first_task, &b, WORKERS(workers)), 0);
    }
}

/* ---- until something is so ---- */

static inline void wait_until_at_least(const unsigned *number, unsigned value)
{
    rv_time end = rv_after(LONG);

    while (__atomic_load_n(number, __ATOMIC_SEQ_CST) < value && rv_now() < end)
        usleep(200);
    if (__atomic_load_n(number, __ATOMIC_SEQ_CST) < value)
        CHECK_EQ(__atomic_load_n(number, __ATOMIC_SEQ_CST), value);
}

/* A thread that was joined may be on the list for a moment yet. */
static inline void check_threads(int expected)
{
    rv_time end = rv_after(LONG / 4);

    while (count_threads() != expected && rv_now() < end)
        usleep(1000);
    CHECK_EQ(count_threads(), expected);
}

/* ---- the library's threads ---- */

struct thread_seen {
    char name[16];
    int tid;
    unsigned long long blocked; /* signals, bit 0 is 1 */
    long switches;              /* that it asked for itself: it slept */
};

enum { THREADS_SEEN = 64 };

static inline void read_status(struct thread_seen *out, FILE *status)
{
    char line[256];

    while (fgets(line, sizeof line, status)) {
        sscanf(line, "Name: %15s", out->name);
        sscanf(line, "SigBlk: %llx", &out->blocked);
        sscanf(line, "voluntary_ctxt_switches: %ld", &out->switches);
    }
}

/* Those whose names begin with "reeve-": how many. */
static inline int see_threads(struct thread_seen out[THREADS_SEEN])
{
    DIR *d = opendir("/proc/self/task");
    int count = 0;

    for (struct dirent *e; d && count < THREADS_SEEN && (e = readdir(d));) {
        char path[64];
        FILE *status;

        snprintf(path, sizeof path, "/proc/self/task/%.16s/status", e->d_name);
        status = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (status == NULL)
            continue;
        out[count] = (struct thread_seen){.tid = atoi(e->d_name)};
        read_status(&out[count], status);
        fclose(status);
        count += strncmp(out[count].name, "reeve-", 6) == 0;
    }
    if (d)
        closedir(d);
    return count;
}

#endif

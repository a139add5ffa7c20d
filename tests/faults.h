/* faults.h: one call of a run fails, and the next run another one, until none is left.
 *
 * A run counts its calls that may fail. Call number fault.at does, in way number fault.way of those
 * that are possible for it; all others are real. So sweep_through() runs a scenario with (1, 0),
 * (1, 1), ... (2, 0), ... until a run has fewer calls than that. What a call may say is a list of
 * struct fault_way beside the code that says it (faulty_room.h, faulty_calls.h).
 *
 * The judgement of a run:
 *  - its first error is the one that was put in. Scenarios note() what each call says, so that
 *    what follows from the first error is not counted. A HIDDEN fault nobody may see;
 *  - a run without an error has done all its work: scenarios check their bytes by themselves;
 *  - it ends, in bounded time: a wake-up that was lost shows as the scope's -ECANCELED;
 *  - no descriptor is left;
 *  - a runtime that did not start has said why, on stderr.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/net.h"

enum fault_seen {
    HIDDEN, /* the library goes on by itself */
    SAID,   /* the call's result */
    MAY     /* whoever needs it is told, and nobody may */
};

/* error 0: the call does less than it was asked. */
struct fault_way {
    int error;
    enum fault_seen seen;
};

struct sweep_on {
    const char *name;
    rv_options options;
};

static struct {
    unsigned at, way;
    bool on; /* calls count */
    unsigned calls;
    const char *call; /* number `at`, or NULL: there were not so many */
    const struct fault_way *is;
    const struct fault_way *standing; /* what all of a run's calls may say, or NULL */
    const struct rlimit *limit;       /* of the run's descriptors, or NULL */
    int first_error;                  /* that a task saw */
    bool ran;                         /* the scenario began */
    const char *on_what;
} fault;

/* Counts one call. NULL: it is real. From any thread. */
static inline const struct fault_way *fault_next(const char *call, const struct fault_way *ways,
                                                 unsigned count)
{
    if (!__atomic_load_n(&fault.on, __ATOMIC_RELAXED) ||
        __atomic_add_fetch(&fault.calls, 1, __ATOMIC_RELAXED) != fault.at)
        return NULL;
    fault.call = call;
    fault.is = fault.way < count ? &ways[fault.way] : NULL;
    return fault.is;
}

#define FAULT_NEXT(call, ways) fault_next(call, ways, sizeof(ways) / sizeof((ways)[0]))

/* Of a call that a task made: its result, remembered if it is the run's first error. */
static inline long note(long result)
{
    if (result < 0 && fault.first_error == 0)
        fault.first_error = (int)result;
    return result;
}

/* The same for one that should say `expected`. */
static inline long note_unless(long expected, long result)
{
    if (result == expected)
        return 0;
    return note(result < 0 ? result : -EPROTO);
}

/* What a task ends with. Without memory for the table of descriptors nothing was done. */
static inline int finish_fd(int fd, long result)
{
    int err = (int)note(rv_close(fd));

    if (err == -ENOMEM)
        CHECK_EQ(rv_close(fd), 0);
    return result < 0 ? (int)result : err;
}

/* ---- one run ---- */

static inline off_t words_said(void)
{
    struct stat st;

    return fstat(STDERR_FILENO, &st) == 0 ? st.st_size : 0;
}

static inline void fault_say(const char *what, long is)
{
    tap_failures++;
    fprintf(stderr, "%s: call %u (%s) says %s: %s%s%s\n", fault.on_what, fault.at,
            fault.call ? fault.call : "none", fault.is ? strerror(-fault.is->error) : "the truth",
            what, is < 0 ? ": " : "", is < 0 ? strerror((int)-is) : "");
}

/* A defence that fails may abort: what led to it must be known. */
static inline void fault_last_words(int sig)
{
    (void)sig;
    fault_say("that was the end", 0);
}

struct fault_first {
    rv_fn *scenario;
    void (*install)(void);
};

static inline int fault_run_scenario(void *arg)
{
    struct fault_first *first = arg;
    rv_scope all;

    fault.ran = true;
    if (first->install)
        first->install();
    rv_scope_open(&all, rv_after(LONG));
    return rv_scope_close(&all, (int)note(first->scenario(NULL)));
}

static inline void fault_judge(int result, off_t words)
{
    const enum fault_seen seen = fault.is ? fault.is->seen : HIDDEN;
    const int error = fault.is ? fault.is->error : 0;
    /* A task that could not start is no call's result: its group has the error. */
    const bool told_of_spawn = fault.first_error == -ECANCELED && error < 0 && result == error;

    if (!fault.ran) {
        if (result >= 0 || seen == HIDDEN)
            fault_say("nothing ran", result);
        if (words_said() == words)
            fault_say("the runtime did not start, without a word", result);
        return;
    }
    if (fault.first_error && (seen == HIDDEN || fault.first_error != error) && !told_of_spawn)
        fault_say("a task saw another error", fault.first_error);
    if (fault.first_error == 0 && seen == SAID)
        fault_say("nobody was told", 0);
    if ((result < 0) != (fault.first_error < 0))
        fault_say("the run ended with what no task saw", result);
}

static inline int fault_rv_run(const struct sweep_on *on, struct fault_first *first)
{
    struct rlimit before;
    int result;

    getrlimit(RLIMIT_NOFILE, &before);
    if (fault.limit)
        setrlimit(RLIMIT_NOFILE, fault.limit);
    result = rv_run(fault_run_scenario, first, &on->options);
    fault.on = false;
    setrlimit(RLIMIT_NOFILE, &before);
    return result;
}

static inline void fault_run(const struct sweep_on *on, rv_fn *scenario, void (*install)(void),
                             bool from_the_start)
{
    struct fault_first first = {scenario, install};
    int fds = count_in("/proc/self/fd"), result;
    off_t words = words_said();
    rv_time began = rv_now();

    fault.calls = 0;
    fault.call = NULL;
    fault.is = fault.standing;
    fault.first_error = 0;
    fault.ran = false;
    fault.on_what = on->name;
    fault.on = from_the_start;
    result = fault_rv_run(on, &first);
    fault_judge(result, words);
    if (count_in("/proc/self/fd") != fds)
        fault_say("descriptors are left", 0);
    if (rv_now() - began > LONG / 2)
        fault_say("it took too long", 0);
}

/* ---- all of them ---- */

/* SWEEP_STEP=1: each call, whatever a run has; otherwise, from the SWEEP_DENSE-th on, each that a
 * step which grows comes to. */
enum { SWEEP_DENSE = SCALED(60, 12), FAILURES_TOLD = 10 };

static inline unsigned sweep_after(unsigned at)
{
    const char *step = getenv("SWEEP_STEP");

    if (step)
        return at + (unsigned)atoi(step);
    return at < SWEEP_DENSE ? at + 1 : at + 1 + at / SCALED(16, 3);
}

static inline void sweep_begin(const struct sweep_on *on)
{
    NOT_IN_SIM("the real kernel's failures");
    if (strcmp(on->options.backend, "uring") == 0)
        ONLY_ON_URING("the ring's failures");
}

static inline void sweep_through(const struct sweep_on *on, rv_fn *scenario, void (*install)(void),
                                 bool from_the_start)
{
    sweep_begin(on);
    signal(SIGABRT, fault_last_words);
    for (fault.at = 1; tap_failures < FAILURES_TOLD; fault.at = sweep_after(fault.at)) {
        fault.way = 0;
        do
            fault_run(on, scenario, install, from_the_start);
        while (fault.is && ++fault.way && tap_failures < FAILURES_TOLD);
        if (fault.call == NULL)
            break;
    }
}

#endif

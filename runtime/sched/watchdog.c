/* watchdog.c: see watchdog.h. */
#include "sched/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"

enum { LOOKS = 4 }; /* in the span: a hog is told of at most a quarter late */

/* Since when something is as it is, at least, and what the worker's thread had used by then. */
struct instant {
    int64_t at, cpu_ns, starved_ns;
};

/* Of one worker, the watchdog's own. */
struct watched {
    uint32_t beats;
    int credit;  /* each resume takes of it */
    int account; /* a descriptor, or -1 */
    struct instant pass, task;
    int64_t cpu_ns;                    /* at the last look */
    enum { NOTHING, KEPT, SLOW } told; /* KEPT is of the task, SLOW of the pass */
};

struct watchdog {
    struct rv_runtime *rt;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending;     /* with the lock */
    uint32_t dozing; /* atomic */
    int64_t span_ns;
    struct watched watched[WORKERS_MAX];
};

/* A copy of what was there, if it still is. */
struct suspect {
    uint64_t id;
    char name[TASK_NAME_BYTES];
    const char *site;
    bool is_task;
};

/* Without asking the owner, which TSan cannot approve of; who is on the other side of the two
 * looks at beats and task has not been changed in between. */
__attribute__((no_sanitize("thread"))) static bool copy_suspect(const struct worker *w,
                                                                uint32_t beats, struct suspect *out)
{
    const struct task *t = *(struct task *const volatile *)&w->task;
    const volatile struct task *fields = t;

    out->is_task = t != &w->loop;
    out->id = fields->id;
    out->site = fields->site;
    for (int i = 0; i < TASK_NAME_BYTES; i++)
        out->name[i] = fields->name[i];
    out->name[TASK_NAME_BYTES - 1] = 0;
    return __atomic_load_n(&w->beats, __ATOMIC_ACQUIRE) == beats &&
           *(struct task *const volatile *)&w->task == t;
}

__attribute__((no_sanitize("thread"))) static int copy_credit(const struct worker *w)
{
    return *(const volatile int *)&w->credit;
}

static int64_t cpu_of(const struct worker *w)
{
    struct timespec t = {0};
    clockid_t clock;

    if (pthread_getcpuclockid(w->thread, &clock) == 0)
        clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The kernel's account of a thread: how long it has run, and waited for a CPU. Kept open, or a
 * number would come and go that the program may count on. */
static int open_account(const struct worker *w)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)w->tid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* How long the thread has been ready to run and had no CPU: 0, where the kernel does not say. */
static int64_t starved(const struct watched *seen)
{
    unsigned long long ran, waited = 0;
    char text[64];
    ssize_t n = seen->account < 0 ? 0 : pread(seen->account, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = 0;
    return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? (int64_t)waited : 0;
}

/* It is ready to run. */
static bool runnable(const struct worker *w)
{
    char path[64], text[128], *state;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)w->tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    state = strrchr(text, ')'); /* behind its name */
    return state && strncmp(state, ") R", 3) == 0;
}

static struct instant instant_of(const struct worker *w, const struct watched *seen, int64_t now)
{
    return (struct instant){.at = now, .cpu_ns = cpu_of(w), .starved_ns = starved(seen)};
}

/* It had that long: by the clock, and with a CPU to be had. */
static bool had(const struct watched *seen, const struct instant *since, int64_t now, int64_t span)
{
    return now - since->at >= span && now - since->at - (starved(seen) - since->starved_ns) >= span;
}

/* It has been ready since the last look, and did not run: what it had is known when it has run. */
static bool waits_for_cpu(const struct worker *w, struct watched *seen)
{
    int64_t before = seen->cpu_ns;

    seen->cpu_ns = cpu_of(w);
    return seen->cpu_ns == before && runnable(w);
}

/* ---- what is said ---- */

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static void tell(const struct worker *w, struct watched *seen, bool kept, int64_t now)
{
    const struct instant *since = kept ? &seen->task : &seen->pass;
    double lasted = ms(now - since->at), used = ms(cpu_of(w) - since->cpu_ns);
    struct suspect s;
    char who[256];

    if (!copy_suspect(w, seen->beats, &s))
        return;
    seen->told = kept ? KEPT : SLOW;
    if (s.is_task)
        task_describe_spawn(s.id, s.name, s.site, who, sizeof who);
    else
        snprintf(who, sizeof who, "its own loop");
    if (kept)
        report("watchdog: worker %u is kept by %s: for %.0f ms no other task of it has run (%.0f "
               "ms of that on a CPU)",
               w->index, who, lasted, used);
    else
        report("watchdog: worker %u has not got round for %.0f ms (%.0f ms of that on a CPU): its "
               "tasks run long, one after the other; at the moment %s",
               w->index, lasted, used, who);
}

static void tell_end(const struct worker *w, struct watched *seen, int64_t now)
{
    if (seen->told != NOTHING)
        report("watchdog: worker %u goes on, after %.0f ms", w->index,
               ms(now - (seen->told == KEPT ? seen->task.at : seen->pass.at)));
    seen->told = NOTHING;
}

/* A task that began in the middle of the span is given its own before the pass is blamed. */
static void look_at(struct watchdog *d, const struct worker *w, int64_t now)
{
    struct watched *seen = &d->watched[w->index];
    uint32_t beats = __atomic_load_n(&w->beats, __ATOMIC_ACQUIRE);
    int credit = copy_credit(w);
    bool round = beats == 0 || beats != seen->beats || inbox_parked(&w->inbox);

    if (round || (credit != seen->credit && seen->told == KEPT))
        tell_end(w, seen, now);
    if (round || credit != seen->credit)
        seen->task = instant_of(w, seen, now);
    if (round) {
        seen->pass = seen->task;
        seen->cpu_ns = seen->task.cpu_ns;
    }
    seen->beats = beats;
    seen->credit = credit;
    if (seen->told != NOTHING || round || waits_for_cpu(w, seen))
        return;
    if (had(seen, &seen->task, now, d->span_ns))
        tell(w, seen, true, now);
    else if (had(seen, &seen->pass, now, 2 * d->span_ns))
        tell(w, seen, false, now);
}

/* ---- its life ---- */

static bool all_asleep(const struct watchdog *d)
{
    for (unsigned i = 0; i < d->rt->count; i++)
        if (!inbox_parked(&d->rt->workers[i]->inbox))
            return false;
    return true;
}

/* With the lock. Until a worker wakes up. */
static void doze(struct watchdog *d)
{
    __atomic_store_n(&d->dozing, 1, __ATOMIC_SEQ_CST);
    if (!all_asleep(d))
        __atomic_store_n(&d->dozing, 0, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&d->dozing, __ATOMIC_SEQ_CST) && !d->ending)
        pthread_cond_wait(&d->wake, &d->lock);
}

/* With the lock. */
static void pause_for(struct watchdog *d, int64_t span)
{
    int64_t until = clock_now() + span;
    const struct timespec ts = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    int err = 0;

    while (!d->ending && err != ETIMEDOUT)
        err = pthread_cond_timedwait(&d->wake, &d->lock, &ts);
}

static void *watch(void *arg)
{
    struct watchdog *d = arg;

    pthread_setname_np(pthread_self(), "reeve-watchdog");
    if (d->rt->settings->pin_workers) /* whose maker is kept to a CPU, maybe the hog's */
        (void)cpus_unpin(&d->rt->cpus);
    pthread_mutex_lock(&d->lock);
    while (!d->ending) {
        int64_t now = clock_now();

        for (unsigned i = 0; i < d->rt->count; i++)
            look_at(d, d->rt->workers[i], now);
        if (all_asleep(d))
            doze(d);
        pause_for(d, d->span_ns / LOOKS);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void watchdog_wake(struct watchdog *d)
{
    if (__builtin_expect(__atomic_load_n(&d->dozing, __ATOMIC_SEQ_CST) == 0, 1))
        return;
    pthread_mutex_lock(&d->lock);
    __atomic_store_n(&d->dozing, 0, __ATOMIC_SEQ_CST);
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

static void close_accounts(struct watchdog *d)
{
    for (unsigned i = 0; i < d->rt->count; i++)
        if (d->watched[i].account >= 0)
            close(d->watched[i].account);
}

static int make(struct rv_runtime *rt)
{
    struct watchdog *d = calloc(1, sizeof *d);
    pthread_condattr_t monotonic;
    int err;

    if (d == NULL)
        return -ENOMEM;
    d->rt = rt;
    d->span_ns = rt->settings->watchdog_ns;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (unsigned i = 0; i < rt->count; i++) {
        struct watched *seen = &d->watched[i];

        seen->account = open_account(rt->workers[i]);
        seen->pass = seen->task = instant_of(rt->workers[i], seen, clock_now());
    }
    err = thread_start(&d->thread, watch, d, 0);
    if (err < 0) {
        close_accounts(d);
        free(d);
        return err;
    }
    __atomic_store_n(&rt->watchdog, d, __ATOMIC_RELEASE); /* the other workers run */
    return 0;
}

int watchdog_start(struct rv_runtime *rt)
{
    int err;

    if (rt->settings->watchdog_ns == 0 || rt->workers[0]->kernel->room == &sim_room)
        return 0;
    err = worker_open_inbox(rt->workers[0]);
    if (err == 0)
        err = make(rt);
    if (err < 0)
        report("cannot start: the watchdog: %s", strerror(-err));
    return err;
}

void watchdog_stop(struct rv_runtime *rt)
{
    struct watchdog *d = rt->watchdog;

    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->ending = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    close_accounts(d);
}

void watchdog_free(struct rv_runtime *rt)
{
    struct watchdog *d = rt->watchdog;

    if (d == NULL)
        return;
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

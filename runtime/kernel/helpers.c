/* helpers.c: threads that block so that a worker need not. See helpers.h.
 *
 * The interrupting signal is SIGURG: nobody loses by a handler that does nothing, since its default
 * is to be ignored, and a stray one harms nobody. Where the program has a handler of its own for
 * it, that stays, and the highest real-time signal without one is taken. Ours is installed with
 * the process's first helper, and what was there before is put back with its last pool; not if
 * somebody has put another in its place.
 *
 * Rejected: pthread_cancel(), which unwinds through the caller's frames and cannot be told from a
 * result; detached threads, which may still be there, with their stacks, when rv_run() is back.
 */
#include "kernel/helpers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "base/thread.h"

#define IDLE_NS (5 * (int64_t)1000000000)
#define NAG_NS ((int64_t)4000000)

/* ---- the interrupting signal, one for the process ---- */

static struct {
    pthread_mutex_t lock;
    unsigned users;
    int signal; /* 0: none was free */
    struct sigaction before;
} interruption = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void interrupted(int sig)
{
    (void)sig;
}

static bool has_handler(const struct sigaction *a)
{
    return a->sa_flags & SA_SIGINFO || (a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN);
}

static bool install(int sig)
{
    /* SA_ONSTACK: if it hits a thread that runs tasks, a task's stack may have no room for it. */
    const struct sigaction ours = {.sa_handler = interrupted, .sa_flags = SA_ONSTACK};

    if (sigaction(sig, NULL, &interruption.before) < 0 || has_handler(&interruption.before))
        return false;
    return sigaction(sig, &ours, NULL) == 0;
}

static void interruption_begin(void)
{
    pthread_mutex_lock(&interruption.lock);
    if (interruption.users++ == 0) {
        int sig = SIGURG;

        for (int next = SIGRTMAX; !install(sig); next--)
            if ((sig = next < SIGRTMIN ? 0 : next) == 0)
                break;
        interruption.signal = sig;
    }
    pthread_mutex_unlock(&interruption.lock);
}

static void interruption_end(void)
{
    struct sigaction now;

    pthread_mutex_lock(&interruption.lock);
    if (--interruption.users == 0 && interruption.signal &&
        sigaction(interruption.signal, NULL, &now) == 0 && now.sa_handler == interrupted)
        sigaction(interruption.signal, &interruption.before, NULL);
    pthread_mutex_unlock(&interruption.lock);
}

/* With the pool's lock: the helper is there, and at this job. */
static void interrupt(const struct helper_job *job)
{
    if (interruption.signal)
        pthread_kill(job->helper->thread, interruption.signal);
}

/* ---- a helper's life ---- */

static void ring(const struct helpers *h)
{
    const uint64_t one = 1;

    while (write(h->bell, &one, sizeof one) < 0)
        if (errno != EINTR)
            die("the helpers' bell: %s", strerror(errno));
}

/* With the lock. True: there is a job. */
static bool await_work(struct helpers *h)
{
    int64_t until = clock_sum(clock_now(), IDLE_NS);
    const struct timespec ts = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    int err = 0;

    while (list_empty(&h->waiting) && !h->ending && err != ETIMEDOUT) {
        h->idle++;
        err = pthread_cond_timedwait(&h->work, &h->lock, &ts);
        h->idle--;
    }
    return !list_empty(&h->waiting);
}

static void finish(struct helpers *h, struct helper_job *job, long result)
{
    bool first;

    pthread_mutex_lock(&h->lock);
    job->result = result;
    job->state = JOB_FINISHED;
    job->helper->job = NULL;
    first = list_empty(&h->finished);
    list_push_back(&h->finished, &job->link);
    pthread_mutex_unlock(&h->lock);
    if (first)
        ring(h);
    pthread_mutex_lock(&h->lock);
}

static void *help(void *arg)
{
    struct helper *me = arg;
    struct helpers *h = me->pool;

    pthread_setname_np(pthread_self(), "reeve-helper");
    pthread_mutex_lock(&h->lock);
    while (await_work(h)) {
        struct helper_job *job = CONTAINER(list_pop_front(&h->waiting), struct helper_job, link);

        h->waiting_count--;
        job->state = JOB_RUNNING;
        job->helper = me;
        me->job = job;
        pthread_mutex_unlock(&h->lock);
        finish(h, job, job->run(job));
    }
    h->alive--;
    me->ended = true;
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static struct helper *unused(struct helpers *h)
{
    for (unsigned i = 0; i < h->most; i++) {
        struct helper *one = &h->helper[i];

        if (one->made && one->ended)
            pthread_join(one->thread, NULL);
        if (!one->made || one->ended)
            return one;
    }
    return NULL;
}

/* With the lock, which the new helper waits for. */
static void make_helper(struct helpers *h)
{
    struct helper *one = unused(h);

    if (!h->interruptible) {
        interruption_begin();
        h->interruptible = true;
    }
    *one = (struct helper){.pool = h};
    if (thread_start(&one->thread, help, one, interruption.signal) == 0) {
        one->made = true;
        h->alive++;
    }
}

/* ---- the owner's side ---- */

int helpers_init(struct helpers *h, unsigned most, int bell)
{
    pthread_condattr_t monotonic;
    int err;

    memset(h, 0, sizeof *h);
    ASSERT(most <= HELPERS_MOST);
    h->most = most;
    h->bell = bell;
    list_init(&h->waiting);
    list_init(&h->finished);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    err = pthread_mutex_init(&h->lock, NULL);
    if (err == 0 && (err = pthread_cond_init(&h->work, &monotonic)) != 0)
        pthread_mutex_destroy(&h->lock);
    pthread_condattr_destroy(&monotonic);
    return -err;
}

void helpers_fini(struct helpers *h)
{
    ASSERT(list_empty(&h->waiting) && list_empty(&h->finished));
    pthread_mutex_lock(&h->lock);
    h->ending = true;
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
    for (unsigned i = 0; i < h->most; i++)
        if (h->helper[i].made)
            pthread_join(h->helper[i].thread, NULL);
    if (h->interruptible)
        interruption_end();
    pthread_cond_destroy(&h->work);
    pthread_mutex_destroy(&h->lock);
}

bool helpers_give(struct helpers *h, struct helper_job *job)
{
    bool given;

    job->state = JOB_WAITING;
    job->helper = NULL;
    pthread_mutex_lock(&h->lock);
    list_push_back(&h->waiting, &job->link);
    h->waiting_count++;
    if (h->waiting_count > h->idle && h->alive < h->most)
        make_helper(h);
    given = h->alive > 0;
    if (given) {
        pthread_cond_signal(&h->work);
    } else {
        list_remove(&job->link);
        h->waiting_count--;
    }
    pthread_mutex_unlock(&h->lock);
    h->hasty += given && job->interrupt_at != CLOCK_NEVER;
    return given;
}

bool helpers_revoke(struct helpers *h, struct helper_job *job)
{
    bool hasty = job->interrupt_at != CLOCK_NEVER, waiting;

    pthread_mutex_lock(&h->lock);
    waiting = job->state == JOB_WAITING;
    if (waiting) {
        list_remove(&job->link);
        h->waiting_count--;
    } else if (job->state == JOB_RUNNING) {
        interrupt(job);
    }
    job->interrupt_at = 0;
    pthread_mutex_unlock(&h->lock);
    h->hasty -= waiting && hasty;
    h->hasty += !waiting && !hasty;
    return waiting;
}

struct helper_job *helpers_take(struct helpers *h)
{
    struct helper_job *job = NULL;

    pthread_mutex_lock(&h->lock);
    if (!list_empty(&h->finished))
        job = CONTAINER(list_pop_front(&h->finished), struct helper_job, link);
    pthread_mutex_unlock(&h->lock);
    h->hasty -= job && job->interrupt_at != CLOCK_NEVER;
    return job;
}

int64_t helpers_nag(struct helpers *h)
{
    int64_t now, next = CLOCK_NEVER;

    if (h->hasty == 0)
        return CLOCK_NEVER;
    now = clock_now();
    pthread_mutex_lock(&h->lock);
    for (unsigned i = 0; i < h->most; i++) {
        struct helper_job *job = h->helper[i].job;

        if (job == NULL || job->interrupt_at == CLOCK_NEVER)
            continue;
        if (job->interrupt_at <= now) {
            interrupt(job);
            job->interrupt_at = clock_sum(now, NAG_NS);
        }
        next = job->interrupt_at < next ? job->interrupt_at : next;
    }
    if (!list_empty(&h->waiting)) /* among these may be some that are in a hurry */
        next = next < clock_sum(now, NAG_NS) ? next : clock_sum(now, NAG_NS);
    pthread_mutex_unlock(&h->lock);
    return next;
}

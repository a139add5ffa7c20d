/* simulate.c: runs in simulated worlds: one, or a range of seeds, and what is said when one fails.
 *
 * A run that fails, by its result, by the audit, or by a signal that ends the process, says its
 * seed and the command that replays it: the process's own, with REEVE_SEED before it.
 *
 * Hosts: a host is a group, and its tasks are that group's, and those of the groups that they
 * open. Nothing is kept in a task for that: groups and their owners are walked when somebody makes
 * a descriptor. Rejected: to walk the scopes. Who opens a host is in its scope until it closes it,
 * and the clients that a test opens meanwhile would all be on the server's host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/sim/sim.h"
#include "sched/branch.h"
#include "sched/run.h"
#include "sched/wait.h"

enum { SAME_AGAIN = 16 }; /* each such seed is run twice: are the runs equal? */
#define PROGRESS_NS (500 * RV_MS)

static __thread rv_sim_stats last;
static __thread struct rv_sim_host *hosts; /* those that are open */

/* ---- what is said ---- */

/* Of this thread: what kills a world comes on the thread that runs it. initial-exec, since a
 * handler that looks at them must not allocate. */
static __thread volatile uint64_t running_seed __attribute__((tls_model("initial-exec")));
static __thread volatile sig_atomic_t is_running __attribute__((tls_model("initial-exec")));

/* The process's arguments, ready to be pasted. */
static void command(char *text, size_t room)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, room - 1);

    if (fd >= 0)
        close(fd);
    n = n < 0 ? 0 : n;
    text[n] = 0;
    for (ssize_t i = 0; i + 1 < n; i++)
        if (text[i] == 0)
            text[i] = ' ';
}

static void say_seed(uint64_t seed, const char *what)
{
    char text[512];

    command(text, sizeof text);
    report("sim: seed %llu: %s; replay: REEVE_SEED=%llu %s", (unsigned long long)seed, what,
           (unsigned long long)seed, text);
}

static void on_fatal_signal(int sig)
{
    signal(sig, SIG_DFL); /* and so the signal comes again, for the last time */
    if (is_running)
        say_seed(running_seed, "the process ends by a signal");
    is_running = 0;
}

static void on_death(void)
{
    if (is_running)
        say_seed(running_seed, "the process ends");
}

/* A sanitizer that ends the process does so without a signal. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch_signals(void)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction ours = {.sa_handler = on_fatal_signal,
                             .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK)},
                     now;

    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        if (sigaction(fatal[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(fatal[i], &ours, NULL);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(on_death);
}

/* ---- runs ---- */

static unsigned host_of_task(void *unused)
{
    const struct task *t = worker_self ? worker_self->task : NULL;

    (void)unused;
    for (rv_group *g = hosts && t ? t->group : NULL; g; g = branch_around(g))
        for (const struct rv_sim_host *h = hosts; h; h = h->next)
            if (g == &h->tasks)
                return h->number;
    return 0;
}

static int settle(struct settings *s, uint64_t seed, const rv_sim_options *opt)
{
    rv_options runtime = opt ? opt->runtime : (rv_options){0};
    uint64_t traced;
    int err;

    if (opt && opt->without & ~RV_SIM_ALL) {
        report("rv_sim_options.without: %#x is no kind of fault", opt->without & ~RV_SIM_ALL);
        return -EINVAL;
    }
    runtime.backend = "sim";
    /* and not REEVE_WORKERS: a seed is one run, whoever runs it */
    if (runtime.workers == 0)
        runtime.workers = 1;
    else if (runtime.workers == RV_WORKERS_AUTO)
        runtime.workers = 1 + (unsigned)(seed * 0x9e3779b97f4a7c15u >> 62);
    err = options_read(s, &runtime);
    if (err < 0)
        return err;
    s->sim = (struct sim_config){.seed = seed, .host = host_of_task};
    if (opt)
        s->sim.options = *opt;
    s->sim.traced = options_seed(&traced) > 0 && traced == seed;
    return 0;
}

static int run_once(struct settings *s, rv_fn *fn, void *arg)
{
    int result;

    running_seed = s->sim.seed;
    is_running = 1;
    hosts = NULL;
    result = run_as("rv_sim_run", s, fn, arg);
    is_running = 0;
    last = s->sim.stats;
    return s->sim.findings || s->sim.doomed ? -ENOTRECOVERABLE : result;
}

int rv_sim_run(uint64_t seed, const rv_sim_options *opt, rv_fn *fn, void *arg)
{
    struct settings s;
    int result = settle(&s, seed, opt);
    char what[128];

    if (result < 0)
        return result;
    watch_signals();
    result = run_once(&s, fn, arg);
    if (result < 0) {
        snprintf(what, sizeof what, "%s (hash %016llx)",
                 s.sim.findings || s.sim.doomed ? "see above" : strerror(-result),
                 (unsigned long long)last.hash);
        say_seed(seed, what);
    }
    return result;
}

/* Does the same seed do the same again? What it does not decide, a replay would not repeat. */
static int same_again(uint64_t seed, const rv_sim_options *opt, rv_fn *fn, void *arg)
{
    uint64_t hash = last.hash;
    int result = rv_sim_run(seed, opt, fn, arg);

    if (result < 0 || last.hash == hash)
        return result;
    report("sim: two runs of one seed differ: the program asks something that the seed does not "
           "decide (the real clock, the addresses of objects, rand(), a thread, what the last run "
           "left behind)");
    say_seed(seed, "not to be repeated");
    return -ENOTRECOVERABLE;
}

static void show_progress(uint64_t done, uint64_t count, int64_t began, int64_t *shown)
{
    int64_t now = clock_now();

    if (now < *shown + PROGRESS_NS || !isatty(2))
        return;
    *shown = now;
    dprintf(2, "\rsim: %llu of %llu seeds, %.0f/s ", (unsigned long long)done,
            (unsigned long long)count, (double)done * 1e9 / (double)(now - began));
    if (done == count)
        dprintf(2, "\n");
}

int rv_sim_seeds(uint64_t first, uint64_t count, const rv_sim_options *opt, rv_fn *fn, void *arg)
{
    int64_t began = clock_now(), shown = began;
    uint64_t seed;
    int result = options_seed(&seed);

    if (result > 0)
        return rv_sim_run(seed, opt, fn, arg);
    if (result == 0)
        result = options_seeds(&count);
    if (count == 0) {
        report("rv_sim_seeds: no seeds: the count, or REEVE_SEEDS, is 0");
        return -EINVAL;
    }
    for (uint64_t i = 0; i < count && result >= 0; i++) {
        result = rv_sim_run(first + i, opt, fn, arg);
        if (result >= 0 && i % SAME_AGAIN == 0)
            result = same_again(first + i, opt, fn, arg);
        show_progress(i + 1, count, began, &shown);
    }
    return result < 0 ? result : 0;
}

rv_sim_stats rv_sim_last(void)
{
    return last;
}

/* ---- inside ---- */

bool rv_sim(void)
{
    return task_self("rv_sim")->worker->kernel->room == &sim_room;
}

static struct sim *world(const char *call)
{
    struct kernel *k = task_self(call)->worker->kernel;

    USAGE(k->room == &sim_room, "%s: this world is real; see rv_sim_run()", call);
    return sim_of(k);
}

uint64_t rv_sim_random(uint64_t below)
{
    return sim_below(world("rv_sim_random"), below);
}

void rv_sim_note(const char *what, int64_t value)
{
    sim_tell(world("rv_sim_note"), what, value, 0);
}

void rv_sim_fail(const char *fmt, ...)
{
    struct sim *w = world("rv_sim_fail");
    char text[400], who[160];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    task_describe(worker_self->task, who, sizeof who);
    sim_find(w, "%s (%s)", text, who);
}

/* ---- hosts ---- */

/* A host's group is opened by a task of its own, its keeper, and not by the caller: there the next
 * host's group would lie in this one's scope, and be cancelled with it. */
static const struct wait_kind keep_kind = {.name = "a simulated host, until it is closed"};
static const struct wait_kind open_kind = {.name = "rv_sim_host_open"};

static int keep_host(void *arg)
{
    rv_sim_host *h = arg;
    struct task *me = worker_self->task;

    rv_name("keeper of host %u", h->number);
    rv_group_open(&h->tasks, RV_NEVER);
    h->keeper = me;
    wait_wake(h->opener, 0);
    (void)wait_park(me, &keep_kind, h, RV_NEVER);
    return rv_group_close(&h->tasks, h->result);
}

static int start_keeper(rv_sim_host *h)
{
    struct task *me = worker_self->task;
    int err, closed;

    h->opener = me;
    rv_group_open(&h->keeping, RV_NEVER);
    err = rv_try_go(&h->keeping, keep_host, h);
    if (err == 0)
        return wait_park(me, &open_kind, h, RV_NEVER);
    closed = rv_group_close(&h->keeping, 0);
    return closed < 0 ? closed : err;
}

int rv_sim_host_open(rv_sim_host *h, const char *address)
{
    struct sim *w = world("rv_sim_host_open");
    struct in_addr a;
    int number, err;

    USAGE(h != NULL, "rv_sim_host_open: the host is NULL");
    if (address == NULL || inet_pton(AF_INET, address, &a) != 1 || ntohl(a.s_addr) >> 24 == 127 ||
        a.s_addr == 0)
        return -EINVAL;
    number = sim_host_boot(w, a.s_addr);
    if (number < 0)
        return number;
    *h = (rv_sim_host){.number = (unsigned)number};
    err = start_keeper(h);
    if (err < 0) {
        sim_host_stop(w, h->number);
        return err;
    }
    h->next = hosts;
    hosts = h;
    return 0;
}

static struct rv_sim_host **place_of(const rv_sim_host *h, const char *call)
{
    struct rv_sim_host **at = &hosts;

    while (*at && *at != h)
        at = &(*at)->next;
    USAGE(*at != NULL, "%s: this host is not open", call);
    return at;
}

int rv_sim_host_close(rv_sim_host *h, int result)
{
    struct sim *w = world("rv_sim_host_close");

    place_of(h, "rv_sim_host_close");
    USAGE(worker_self->task->scope == &h->keeping.scope,
          "rv_sim_host_close: a host closes in the task that opened it, after what that has opened "
          "since");
    h->result = result;
    wait_wake(h->keeper, 0);
    result = rv_group_close(&h->keeping, 0);
    *place_of(h, "rv_sim_host_close") = h->next;
    sim_host_stop(w, h->number);
    return result;
}

void rv_sim_power_cut(rv_sim_host *h)
{
    struct sim *w = world("rv_sim_power_cut");

    place_of(h, "rv_sim_power_cut");
    sim_host_cut(w, h->number);
    rv_group_cancel(&h->tasks);
}

static int address_of(const char *text, uint32_t *out)
{
    struct in_addr a = {0};

    if (text == NULL || (strcmp(text, "*") != 0 && inet_pton(AF_INET, text, &a) != 1))
        return -EINVAL;
    *out = a.s_addr;
    return 0;
}

int rv_sim_partition(const char *address, const char *other, rv_time span)
{
    struct sim *w = world("rv_sim_partition");
    uint32_t a, b;

    if (address_of(address, &a) < 0 || address_of(other, &b) < 0)
        return -EINVAL;
    return sim_host_part(w, a, b, span);
}

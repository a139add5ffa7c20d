/* overflow.c: a task that runs off its stack is named before the process dies (hazard 3).
 *
 * The fault comes on the guard below a stack, where nothing can be pushed, so the handler has a
 * stack of its own for each thread, of the size that the kernel says a signal frame needs here
 * (AT_MINSIGSTKSZ: AVX-512 state is large) and enough for the unwinder. It says which task, how
 * deep, and the innermost calls; then the fault is let happen again under the default action, so
 * that the core dump shows the overflow and not the handler. Every other fault goes to whoever
 * handled it before us: a guard that belongs to another stack than the running one after a line
 * of its own, for it was a stray pointer that found it.
 *
 * The handler is process-wide and counted; the arenas that it searches are the thread's own: one,
 * or in a simulated world one for each of its workers.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/backtrace.h"
#include "base/report.h"
#include "stack/stack.h"

enum { FRAMES_SHOWN = 8, UNWINDER_BYTES = 64 * 1024 };

/* One a thread that has arenas. */
struct watch_stack {
    stack_t before; /* what sigaltstack() was, to be put back */
    void *base;
    size_t bytes;
};

static __thread struct stack_arena *watched; /* this thread's: a list, mostly of one */
static __thread struct watch_stack own;
static __thread stack_describe *describe_head;

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static int installed; /* arenas that want the handler, under install_lock */
static struct sigaction before_segv, before_bus;

/* By kill() or the like: there is no address, and no instruction that will fault again. */
static bool was_sent(const siginfo_t *info)
{
    return info->si_code <= 0;
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *before = sig == SIGBUS ? &before_bus : &before_segv;

    if (before->sa_handler == SIG_IGN && was_sent(info))
        return;

    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(sig, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(sig);
    else
        signal(sig, SIG_DFL); /* and the instruction faults again */
    if (before->sa_handler == SIG_DFL && was_sent(info))
        raise(sig); /* comes when this handler has returned */
}

/* False: the guard is not that of the running stack. */
static bool report_overflow(struct stack *s, const char *address)
{
    char whose[256] = "a task", who[256] = "no task";
    size_t bytes = stack_bytes(s), depth = (size_t)((const char *)s - address);
    bool running = describe_head(s, whose, sizeof whose);
    int frames;

    if (running) {
        report("stack overflow in %s: it has %zu bytes of stack and touched byte %zu; innermost "
               "calls:",
               whose, bytes, depth);
    } else {
        if (report_who)
            report_who(who, sizeof who);
        report("stray access by %s: it touched the guard below the stack of %s; innermost calls:",
               who, whose);
    }
    frames = backtrace_print_interrupted(STDERR_FILENO, FRAMES_SHOWN);
    if (running)
        report("%d calls deep. REEVE_STACK, rv_options.stack_bytes or rv_group_stack() give more",
               frames);
    return running;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    bool in_guard = false;
    struct stack *s = NULL;

    for (struct stack_arena *a = watched; a && s == NULL && !was_sent(info); a = a->watched_next)
        s = stack_find(a, info->si_addr, &in_guard);
    if (s && in_guard && report_overflow(s, info->si_addr) && !STACK_SANITIZED)
        signal(sig, SIG_DFL);
    else /* a sanitizer has a report of its own */
        pass_on(sig, info, context);
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    pthread_mutex_lock(&install_lock);
    if (installed++ == 0) {
        sigemptyset(&action.sa_mask);
        sigaction(SIGSEGV, &action, &before_segv);
        sigaction(SIGBUS, &action, &before_bus);
    }
    pthread_mutex_unlock(&install_lock);
}

/* Puts back what was there, unless someone has installed another handler over ours. */
static void restore(int sig, const struct sigaction *before)
{
    struct sigaction now;

    if (sigaction(sig, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
        now.sa_sigaction == on_fault)
        sigaction(sig, before, NULL);
}

static void uninstall(void)
{
    pthread_mutex_lock(&install_lock);
    if (--installed == 0) {
        restore(SIGSEGV, &before_segv);
        restore(SIGBUS, &before_bus);
    }
    pthread_mutex_unlock(&install_lock);
}

static int give_handler_a_stack(void)
{
    long frame = sysconf(_SC_MINSIGSTKSZ);
    stack_t mine;

    own.bytes = ((size_t)(frame > 0 ? frame : MINSIGSTKSZ) + UNWINDER_BYTES + 4095) / 4096 * 4096;
    own.base = mmap(NULL, own.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own.base == MAP_FAILED)
        return -ENOMEM;
    mine = (stack_t){.ss_sp = own.base, .ss_size = own.bytes};
    if (sigaltstack(&mine, &own.before) < 0) {
        munmap(own.base, own.bytes);
        return -errno;
    }
    return 0;
}

int stack_overflow_watch(struct stack_arena *a, stack_describe *describe)
{
    int err = watched ? 0 : give_handler_a_stack();

    if (err < 0)
        return err;
    backtrace_warm();
    describe_head = describe;
    a->watched_next = watched;
    watched = a;
    install();
    return 0;
}

void stack_overflow_unwatch(struct stack_arena *a)
{
    struct stack_arena **at = &watched;

    while (*at && *at != a)
        at = &(*at)->watched_next;
    ASSERT(*at != NULL);
    *at = a->watched_next;
    uninstall();
    if (watched)
        return;
    sigaltstack(&own.before, NULL);
    munmap(own.base, own.bytes);
}

void stack_overflow_forget(void)
{
    watched = NULL;
}

/* dump.c: every task: id, name, state, what it waits for and since when, its backtrace.
 *
 * Reads the one task record that the scheduler keeps; nothing is kept for the dump's sake. Tasks
 * are found by walking the stacks. A parked task's backtrace is taken by visiting its stack, if
 * the unwinder has room there; that touches pages below what it had used, so only the first
 * BACKTRACES tasks are asked.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/backtrace.h"
#include "kernel/fds.h"
#include "sched/record.h"
#include "sched/runtime.h"
#include "sched/waiter.h"

enum {
    BACKTRACES = 64,
    UNSTARTED = 64,
    FRAMES = 12,
    UNWINDER_BYTES = 24 * 1024,
    VISIT_FRAMES = 2, /* visit() and context_visit() */
    DUMP_FRAMES = 2,  /* print_task() and rv_dump() */
};

/* After a call whose frames are counted: it stays a call, and its caller a frame. */
#define KEEP_FRAME() __asm__ volatile("")

static void visit(void *arg)
{
    backtrace_print(*(int *)arg, VISIT_FRAMES, FRAMES);
    KEEP_FRAME();
}

static bool has_room(const struct task *t)
{
    return (const char *)t->ctx.sp - t->stack.low > UNWINDER_BYTES;
}

/* "; deadline in 3.200 s", "; cancelled", or nothing. */
static void describe_end(const struct task *t, char *text, size_t room)
{
    rv_time due = t->scope->due;

    text[0] = 0;
    if (t->asked || due <= t->worker->now)
        snprintf(text, room, "; cancelled");
    else if (due != RV_NEVER)
        snprintf(text, room, "; deadline in %.3f s", (double)(due - t->worker->now) / RV_S);
}

static void print_wait(int fd, const struct task *t, const char *who)
{
    double lasted = (double)(t->worker->now - t->wait_since) / RV_S;
    int on = t->wait->fd ? t->wait->fd(t->wait_on) : -1;
    char end[64], where[32] = "";

    describe_end(t, end, sizeof end);
    if (on >= 0)
        snprintf(where, sizeof where, " on fd %d", on);
    report_to(fd, "  %s: waits in %s%s for %.3f s%s", who, t->wait->name, where, lasted, end);
}

static __attribute__((noinline)) void print_task(int fd, struct task *t, bool backtrace)
{
    static const char *const states[] = {
        [TASK_FINISHED] = "finished", [TASK_RUNNING] = "running",   [TASK_PARKED] = "parked",
        [TASK_READY] = "ready",       [TASK_STARTING] = "starting",
    };
    char who[256];

    task_describe(t, who, sizeof who);
    if (t->state == TASK_PARKED)
        print_wait(fd, t, who);
    else
        report_to(fd, "  %s: %s", who, states[t->state]);
    if (!backtrace)
        return;
    if (t->state == TASK_RUNNING)
        backtrace_print(fd, DUMP_FRAMES, FRAMES);
    else if (t->state != TASK_STARTING && has_room(t) && !STACK_SANITIZED)
        context_visit(&t->ctx, visit, &fd);
    KEEP_FRAME();
}

/* ---- what was spawned and has no stack yet ---- */

struct unstarted {
    unsigned count;
    uint64_t id[UNSTARTED];
    const char *site[UNSTARTED];
};

/* Of this list, oldest first, as many as there is room for. */
static void note_unstarted(struct unstarted *u, const struct link *list)
{
    for (const struct link *l = list->prev; l != list && u->count < UNSTARTED; l = l->prev) {
        const struct record *r = CONTAINER(l, struct record, link);

        u->id[u->count] = r->id;
        u->site[u->count++] = r->site;
    }
}

/* Noted first, and printed when nobody waits for the shelf any more. */
static void print_unstarted(int fd, struct worker *w)
{
    size_t all = w->unstarted + shelf_count(&w->shelf);
    struct unstarted u = {.count = 0};
    char who[256];

    note_unstarted(&u, &w->records);
    lock_take(&w->shelf.lock);
    note_unstarted(&u, &w->shelf.list);
    lock_give(&w->shelf.lock);
    note_unstarted(&u, &w->spread);
    for (unsigned i = 0; i < u.count; i++) {
        task_describe_spawn(u.id[i], "", u.site[i], who, sizeof who);
        report_to(fd, "  %s: not started", who);
    }
    if (all > UNSTARTED)
        report_to(fd, "  (the first %d of those that have not started only)", UNSTARTED);
}

static void print_watches(int fd, struct kernel *k)
{
    int at = 0;

    for (struct fd_entry *e; (e = fds_each(k, &at));)
        if (fds_stale(k, e))
            report_to(fd,
                      "  fd %d was closed without rv_close(): its file is still watched, and "
                      "its peer sees no end",
                      e->fd);
}

static void print_head(int fd, const struct worker *w)
{
    size_t unstarted = w->unstarted + shelf_count(&w->shelf);
    char which[32] = "";

    if (w->rt->count > 1)
        snprintf(which, sizeof which, "worker %u: ", w->index);
    report_to(fd, "%s%zu tasks started, %zu not yet, backend %s", which, w->started, unstarted,
              w->kernel->room->name);
}

void worker_dump(int fd, struct worker *w)
{
    uint64_t at = 0;
    size_t shown = 0;

    print_head(fd, w);
    for (struct stack *s; (s = stack_each(&w->stacks, &at));) {
        struct task *t = (struct task *)(void *)s;

        if (t->state != TASK_FINISHED)
            print_task(fd, t, shown++ < BACKTRACES);
    }
    if (shown > BACKTRACES)
        report_to(fd, "  (backtraces of the first %d only)", BACKTRACES);
    if (shown)
        report_to(fd, "  (PROGRAM+OFFSET is a line: addr2line -Cfpie PROGRAM OFFSET)");
    print_unstarted(fd, w);
    print_watches(fd, w->kernel);
}

/* ---- all workers ----
 *
 * One after the other, so that their lines stay together; each by a request of its own, for one
 * that is kept by a task may answer long after nobody waits for it any more. */

#define PATIENCE_NS (200 * RV_MS)

/* Who takes the waiter owns it to the end: the worker that dumps, or who gave up waiting. */
struct request {
    struct waiter waiter;
    struct message message;
    int fd;
};

static bool give_up(struct task *t, void *on)
{
    (void)t;
    return waiter_take(on);
}

static const struct wait_kind dump_kind = {
    .name = "rv_dump, until another worker has dumped", .abort = give_up, .shared = true};

enum { DUMPED = 1 };

static void answer(struct message *m)
{
    struct request *r = CONTAINER(m, struct request, message);

    if (worker_self->task != &worker_self->loop) { /* a task's stack may be too small for it */
        worker_post(worker_self, m);
        return;
    }
    if (!waiter_take(&r->waiter)) {
        free(r);
        return;
    }
    worker_dump(r->fd, worker_self);
    waiter_wake(&r->waiter, DUMPED);
}

static void dump_other(int fd, struct task *me, struct worker *w)
{
    struct request *r = malloc(sizeof *r);

    if (r == NULL) {
        report_to(fd, "worker %u: no memory to ask it", w->index);
        return;
    }
    waiter_init(&r->waiter, me);
    r->message.deliver = answer;
    r->fd = fd;
    worker_post(w, &r->message);
    if (wait_park(me, &dump_kind, &r->waiter, clock_sum(me->worker->now, PATIENCE_NS)) == DUMPED)
        free(r);
    else
        report_to(fd, "worker %u does not answer: a task keeps it", w->index);
}

void rv_dump(int fd)
{
    struct worker *w = worker_self;
    rv_scope shield; /* it is wanted when all is being cancelled, too */

    if (w == NULL)
        worker_missing("rv_dump");
    worker_dump(fd, w);
    if (w->rt->count == 1 || w->task == &w->loop)
        return;
    scope_open(w->task, &shield, RV_NEVER, true, 0);
    for (unsigned i = 1; i < w->rt->count; i++)
        dump_other(fd, w->task, w->rt->workers[(w->index + i) % w->rt->count]);
    (void)rv_scope_close(&shield, 0);
}

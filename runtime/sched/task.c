/* task.c: the first and the last code of every task, and its name. See task.h. */
#include "sched/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sched/group.h"
#include "sched/record.h"
#include "sched/wait.h"

/* A forked child has no runtime to return to (run.c). */
static _Noreturn __attribute__((cold, noinline)) void cannot_finish(const struct task *me)
{
    if (me->worker != worker_self)
        die("a task returned in a forked child: the rest of the program is its parent's; it should "
            "_exit, exec, or rv_run() anew");
    die("a task returned with a scope or a group still open: close what it opened");
}

static inline void finish(struct task *me, int result)
{
    if (__builtin_expect(me->scope != &me->group->scope, 0))
        cannot_finish(me);
    if (me->seat)
        scope_leave_seat(me);
    task_move(me, TASK_FINISHED);
    record_ended(me->worker);
    group_child_done(me->group, result);
}

/* Who is next is settled before the stack is given back, for a record that starts then must not
 * get this one: it is still in use until the switch. */
static inline _Noreturn void leave(struct worker *w, struct task *me)
{
    struct task *next = worker_next(w);

    w->started--;
    if (me->own_fenv) {
        fenv_load(&w->fenv);
        me->own_fenv = false;
        w->careful--;
    }
    stack_give(&me->stack);
    worker_trim_later(w);
    (void)worker_switch(w, me, next);
    ASSERT(!"a finished task was resumed");
    __builtin_unreachable();
}

void task_main(void *task)
{
    struct task *me = task;
    struct worker *w = me->worker;

    sanitize_arrive(&me->stack.sanitizer);
#ifndef FRAME_BYTES /* with ucontext, a context starts in the environment of who prepared it */
    fenv_load(me->own_fenv ? &me->fenv : &w->fenv);
#endif
    do
        finish(me, record_run(w, me->record));
    while (record_follow(w, me));
    leave(w, me);
}

/* site: "echo@server.c:42", the function and the place. */
void task_describe_spawn(uint64_t id, const char *name, const char *site, char *text, size_t room)
{
    const char *at = strchr(site, '@');
    ptrdiff_t len = at ? at - site : 0;

    if (name[0]) {
        len = TASK_NAME_BYTES;
    } else {
        name = site;
        len = len < TASK_NAME_BYTES ? len : TASK_NAME_BYTES - 1;
    }
    snprintf(text, room, "task %llu \"%.*s\", spawned at %s", (unsigned long long)id, (int)len,
             name, at ? at + 1 : site);
}

void task_describe(const struct task *t, char *text, size_t room)
{
    task_describe_spawn(t->id, t->name, t->site, text, room);
}

void rv_name(const char *fmt, ...)
{
    struct task *me = task_self("rv_name");
    va_list args;

    USAGE(fmt != NULL, "rv_name: the format is NULL");
    va_start(args, fmt);
    vsnprintf(me->name, sizeof me->name, fmt, args);
    va_end(args);
}

uint64_t rv_id(void)
{
    return task_self("rv_id")->id;
}

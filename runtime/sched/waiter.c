/* waiter.c: see waiter.h. */
#include "sched/waiter.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sched/runtime.h"

static void wake_here(struct message *m)
{
    struct waiter *w = CONTAINER(m, struct waiter, message);

    wait_wake(w->task, w->value);
}

void waiter_wake(struct waiter *w, int value)
{
    struct task *t = w->task;

    ASSERT(__atomic_load_n(&w->taken, __ATOMIC_RELAXED));
    if (t && t->worker == worker_self) {
        wait_wake(t, value);
        return;
    }
    w->value = value;
    if (t) {
        w->message.deliver = wake_here;
        worker_post(t->worker, &w->message);
        return;
    }
    __atomic_store_n(&w->woken, 1, __ATOMIC_RELEASE);
    /* It may be gone by now, and then nobody, or a stranger who looks again, hears this. */
    syscall(SYS_futex, &w->woken, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int waiter_block(struct waiter *w)
{
    ASSERT(w->task == NULL);
    while (__atomic_load_n(&w->woken, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, &w->woken, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return w->value;
}

/* raw.c: calls that reach past a simulated world, named when a task makes them.
 *
 * libs/sim_guard stands before libc's functions and asks here. Both meet the library's own calls
 * too, and need not tell them apart: in a simulated world the library itself hands no simulated
 * number to the kernel, does not wait and reads no clock, so whoever does is the program.
 * Rejected: looking at the return address (a tail call has somebody else's), and a mark of whether
 * user code runs (each call of the library would have to set it).
 */
#include <stdio.h>

#include "base/backtrace.h"
#include "kernel/sim/sim.h"
#include "sched/worker.h"

enum { PLACE_ROOM = 256 };

/* The world of the task that runs on this thread; NULL: there is none, or it is real. */
static struct sim *around(void)
{
    const struct worker *w = worker_self;

    if (w == NULL || w->task == &w->loop || w->kernel->room != &sim_room)
        return NULL;
    return sim_of(w->kernel);
}

/* " at serve+0x1f in server": of the call, not of where it returns to. */
static const char *describe(const void *place, char *text)
{
    char name[PLACE_ROOM - 8];

    text[0] = 0;
    if (place) {
        backtrace_place((uintptr_t)place - 1, name, sizeof name);
        snprintf(text, PLACE_ROOM, " at %s", name);
    }
    return text;
}

void rv_sim_raw_fd(const char *call, int fd, const char *instead, const void *place)
{
    const struct sim *w = around();
    char text[PLACE_ROOM];

    if (__builtin_expect(w == NULL || !sim_has_number(w, fd), 1))
        return;
    if (instead)
        die("%s(%d)%s: a raw call on a simulated descriptor, which the kernel does not know; use "
            "%s()",
            call, fd, describe(place, text), instead);
    die("%s(%d)%s: a raw call on a simulated descriptor, which the kernel does not know; it has "
        "nothing like it",
        call, fd, describe(place, text));
}

void rv_sim_raw_wait(const char *call, const char *instead, const void *place)
{
    char text[PLACE_ROOM];

    if (around())
        die("%s()%s: all tasks would wait, and in real time; use %s()", call, describe(place, text),
            instead);
}

static bool told_before(struct sim *w, const void *place)
{
    for (unsigned i = 0; i < w->told_count; i++)
        if (w->told[i] == place)
            return true;
    if (w->told_count == SIM_TOLD_MAX)
        return true;
    w->told[w->told_count++] = place;
    return false;
}

void rv_sim_raw_chance(const char *call, const char *instead, const void *place)
{
    struct sim *w = around();
    char text[PLACE_ROOM], who[160];

    if (w == NULL || w->options.allow_real || told_before(w, place))
        return;
    task_describe(worker_self->task, who, sizeof who);
    sim_find(w,
             "%s()%s: the seed does not decide it, and a replay would not repeat it; use %s() (%s)",
             call, describe(place, text), instead, who);
}

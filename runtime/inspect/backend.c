/* backend.c: what this runtime stands on. */
#include "sched/worker.h"

const char *rv_backend(const char **out_why)
{
    const struct kernel *k = task_self("rv_backend")->worker->kernel;

    if (out_why)
        *out_why = k->why;
    return k->room->name;
}

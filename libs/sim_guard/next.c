/* next.c: whom a guarded call would have reached; and what a link can ask for (-u rv_sim_guard) to
 * have the guard although nothing of its own calls what is guarded: a shared library may.
 */
#include "guard.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#pragma GCC visibility push(default)
extern const char rv_sim_guard;
const char rv_sim_guard = 1;
#pragma GCC visibility pop

void *guard_next(void **slot, const char *name)
{
    void *next = __atomic_load_n(slot, __ATOMIC_RELAXED);

    if (next)
        return next;
    next = dlsym(RTLD_NEXT, name);
    if (next == NULL) {
        fprintf(stderr, "reeve: sim guard: no %s() behind this one: a static C library?\n", name);
        abort();
    }
    __atomic_store_n(slot, next, __ATOMIC_RELAXED);
    return next;
}

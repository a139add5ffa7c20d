/* guard.h: how a function stands before the C library's of the same name.
 *
 * GUARDED() defines guard_read() under the name read; weak, so that a program's own read() comes
 * first. PASS() goes on to whoever would have been called. Nothing here includes the headers that
 * declare these functions: fortified ones define some of them as well.
 */
#ifndef GUARD_H
#define GUARD_H

#include <reeve_sim.h>

#define GUARDED(result, name, parameters)                                                       \
    __attribute__((weak, visibility("default"))) result guard_##name parameters __asm__(#name); \
    result guard_##name parameters

#define PASS(name, arguments)                                            \
    ({                                                                   \
        static void *next;                                               \
        ((__typeof__(&guard_##name))guard_next(&next, #name)) arguments; \
    })

#define CALLER __builtin_return_address(0)

/* The next one of that name behind this; it is looked for once. */
void *guard_next(void **slot, const char *name);

#endif

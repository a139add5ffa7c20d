/* exceptions.h: what the C++ runtime keeps for a thread and must be a task's (hazard 10): the
 * exceptions whose catch blocks it is in, and how many are on their way to one. Its layout is the
 * Itanium C++ ABI's, 2.2.2.
 *
 * The symbol is weak: in a program without C++ there is nothing to switch, and nothing is paid.
 * Rejected: switching it only where a catch block is being left; there is no hook that tells.
 */
#ifndef BASE_EXCEPTIONS_H
#define BASE_EXCEPTIONS_H

#include <stddef.h>

struct exceptions {
    void *caught; /* the innermost; a list */
    unsigned uncaught;
};

extern struct exceptions *__cxa_get_globals(void) __attribute__((weak));

/* The thread's; NULL: no C++ here. */
static inline struct exceptions *exceptions_here(void)
{
    return __cxa_get_globals ? __cxa_get_globals() : NULL;
}

static inline void exceptions_switch(struct exceptions *here, struct exceptions *from,
                                     const struct exceptions *to)
{
    *from = *here;
    *here = *to;
}

#endif

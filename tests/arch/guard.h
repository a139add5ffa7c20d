/* guard.h: the port in a page whose indirect branches must land on pads.
 *
 * The copies are alone on it: the program's own pages also hold libc, which may have no pads.
 */
#ifndef ARCH_GUARD_H
#define ARCH_GUARD_H

#include "registers.h"

#if defined(GUARD_PROTECTION) && defined(FRAME_BYTES)

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#pragma GCC visibility push(hidden)
extern const char guard_call[], guard_return[], guard_call_end[];
#pragma GCC visibility pop

static volatile sig_atomic_t pads_missed;
static sigjmp_buf after_pad;
static char *guarded; /* the page */

static void on_illegal(int sig)
{
    (void)sig;
    pads_missed++;
    siglongjmp(after_pad, 1);
}

enum { GUARD_BYTES = 4096, SWITCH_AT = 1024 };

/* Where the copy of a function of the port is, whose bytes are copied from context_switch on. */
static void *copy_of(void *function)
{
    return guarded + SWITCH_AT + ((char *)function - (char *)context_switch);
}

static bool guard(void)
{
    guarded = mmap(NULL, GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded == MAP_FAILED)
        return false;
    memcpy(guarded, guard_call, (size_t)(guard_call_end - guard_call));
    memcpy(guarded + SWITCH_AT, (void *)context_switch,
           (size_t)((char *)fenv_load - (char *)context_switch) + 64);
    __builtin___clear_cache(guarded, guarded + GUARD_BYTES);
    return mprotect(guarded, GUARD_BYTES, PROT_READ | PROT_EXEC | GUARD_PROTECTION) == 0;
}

/* True if the CPU stops a call to an instruction that is no landing pad. */
static bool guard_works(void)
{
    void (*volatile astray)(void) = (void (*)(void))(guarded + (guard_return - guard_call));

    signal(SIGILL, on_illegal);
    if (sigsetjmp(after_pad, 1) == 0)
        astray();
    signal(SIGILL, SIG_DFL);
    return pads_missed == 1;
}

#endif
#endif

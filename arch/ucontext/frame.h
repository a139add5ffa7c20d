/* frame.h: the port without a layout. There is no FRAME_BYTES: what a switched-out context
 * leaves on its stack is libc's ucontext_t, and context_prepare() is a function of switch.c. */
#ifndef ARCH_FRAME_H
#define ARCH_FRAME_H

#include <fenv.h>

#define CONTEXT_SP 0
#define CONTEXT_VALUE (__SIZEOF_POINTER__)

#define FENV_BYTES (sizeof(fenv_t))

#endif

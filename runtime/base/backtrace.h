/* backtrace.h: the calls that lead to here, by the unwinder, one line each.
 *
 * Uses the unwind tables (CFI), so it needs no frame pointers and ends where the tables say:
 * at a task's entry frame. Names are those that the dynamic linker knows; a static function is
 * shown as program+offset, which addr2line turns into a line.
 */
#ifndef BASE_BACKTRACE_H
#define BASE_BACKTRACE_H

#include <stddef.h>
#include <stdint.h>

/* "serve+0x1f in server", or "server+0x11d5" where the function has no name. */
void backtrace_place(uintptr_t pc, char *text, size_t room);

/* Prints at most `most` frames to fd, without the first `skip`. */
void backtrace_print(int fd, int skip, int most);

/* From where a signal interrupted the thread, for its handler; returns how many frames there are,
 * up to a count of 100,000. */
int backtrace_print_interrupted(int fd, int most);

/* The first unwind loads libgcc and takes locks: done once here, so that none of it happens
 * for the first time on a task's small stack or in a signal handler. */
void backtrace_warm(void);

#endif

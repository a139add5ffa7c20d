/* report.h: how the library speaks: one line on stderr, and how it dies: never without words.
 *
 * Two kinds of assertion, both always on and O(1). USAGE is the caller's fault and speaks the
 * caller's language: it names the call, and report_who adds the task and where it was spawned.
 * ASSERT is ours.
 *
 * A line is put together in a buffer and written once, so that lines of several threads do
 * not mix; nothing here allocates, so it can be called from the overflow handler.
 */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include <stdarg.h>
#include <stddef.h>

/* "reeve: " + text + newline, on stderr. */
void report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same on any fd and without the prefix: dumps. */
void report_to(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* report(), with " (" + who is running + ")" at the end, then abort(). */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* Set by the layer that knows tasks: writes `task 17 "client", spawned at server.c:42`, or
 * nothing where no task runs. */
extern void (*report_who)(char *text, size_t room);

#define USAGE(cond, ...)                  \
    do {                                  \
        if (__builtin_expect(!(cond), 0)) \
            die(__VA_ARGS__);             \
    } while (0)

#define ASSERT(cond)                                                      \
    do {                                                                  \
        if (__builtin_expect(!(cond), 0))                                 \
            die("broken inside: %s at %s:%d", #cond, __FILE__, __LINE__); \
    } while (0)

#endif

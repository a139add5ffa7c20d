/* child.h: how a piece of code ends, and what it says, when it has a process of its own.
 *
 *   struct child c = child_run(overflow, NULL);
 *   CHECK(ended_by(&c, SIGSEGV));
 *   CHECK(child_said(&c, "task 1 \"deep\""));
 *
 * A sanitizer turns some signals into an exit of its own: ended_by() knows.
 */
#ifndef CHILD_H
#define CHILD_H

#include "tap.h"

enum { CHILD_KEPT = 4 };

struct child {
    int signal;  /* that ended it; 0: it exited */
    int code;    /* what it exited with; -1: it did not */
    char *words; /* its stderr; valid for the next CHILD_KEPT children */
};

/* Waits for it; err is its stderr. */
static inline struct child child_end(pid_t pid, int err)
{
    static char *kept[CHILD_KEPT];
    static unsigned count;
    struct child c = {.code = -1};
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        c.signal = WTERMSIG(status);
    else
        c.code = WEXITSTATUS(status);
    free(kept[count % CHILD_KEPT]);
    c.words = kept[count++ % CHILD_KEPT] = tap_read_all(err);
    close(err);
    return c;
}

/* 0 in the child, which says its words to err. */
static inline pid_t child_begin(int *err)
{
    pid_t pid;

    *err = tap_temporary();
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        dup2(*err, STDERR_FILENO);
        alarm(tap_seconds() / 2);
    }
    return pid;
}

/* Exits as a test does: 1 where a CHECK failed, and after a leak checker's say. */
static inline struct child child_run(void (*body)(void *arg), void *arg)
{
    int err;
    pid_t pid = child_begin(&err);

    if (pid == 0) {
        body(arg);
        exit(tap_failures ? 1 : 0);
    }
    return child_end(pid, err);
}

/* Exits at once, with what body returns. */
static inline struct child child_result(int (*body)(void *arg), void *arg)
{
    int err;
    pid_t pid = child_begin(&err);

    if (pid == 0)
        _exit(body(arg) & 0xff);
    return child_end(pid, err);
}

/* By this signal, or by a sanitizer that reported it. */
static inline bool ended_by(const struct child *c, int sig)
{
    return c->signal == sig || (TAP_SANITIZED && (c->signal == SIGABRT || c->code > 0));
}

/* Its words hold the text; if not, they are shown. */
static inline bool child_said(const struct child *c, const char *text)
{
    if (strstr(c->words, text))
        return true;
    fprintf(stderr, "\"%s\" is not in what it said (signal %d, exit %d):\n%s\n", text, c->signal,
            c->code, c->words);
    return false;
}

static inline void check_says(const struct child *c, const char *words, const char *what)
{
    if (strstr(c->words, words))
        return;
    tap_failures++;
    fprintf(stderr, "%s should say: %s\nand says: %s\n", what, words, c->words);
}

/* It must end by abort(), having said the words. */
static inline void check_dies(int (*body)(void *), void *arg, const char *words, const char *what)
{
    struct child c = child_result(body, arg);

    if (c.signal == 0) {
        tap_failures++;
        fprintf(stderr, "%s lived, and ended with %d\n", what, c.code);
    }
    check_says(&c, words, what);
}

#endif

/* ending.h: for tests of how a process ends: runs a function in a child, keeps its last words.
 *
 *   struct child c = child_run(overflow, NULL);
 *   CHECK_EQ(c.signal, SIGSEGV);
 *   CHECK(strstr(c.words, "task 1 \"deep\""));
 *
 * A sanitizer turns some signals into an exit of its own: `ended_by()` knows.
 */
#ifndef ENDING_H
#define ENDING_H

#include "tap.h"

enum { CHILD_KEPT = 4 };

struct child {
    int signal;  /* that ended it; 0: it exited */
    int code;    /* what it exited with; -1: it did not */
    char *words; /* its stderr; valid for the next CHILD_KEPT children */
};

static inline struct child child_run(void (*body)(void *arg), void *arg)
{
    static char *kept[CHILD_KEPT];
    static unsigned count;
    struct child c = {.code = -1};
    int err = tap_temporary(), status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        dup2(err, STDERR_FILENO);
        alarm(30);
        body(arg);
        exit(tap_failures ? 1 : 0);
    }
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

#endif

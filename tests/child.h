/* child.h: what a piece of code says on stderr and how it ends, when it has a process of its own:
 * for tables of misuse, where TEST_DIES would need a test for each row.
 */
#ifndef CHILD_H
#define CHILD_H

#include "tap.h"

struct outcome {
    bool exited; /* by itself, with `code`; otherwise by a signal, or a sanitizer's word */
    int code;
    char *text; /* stderr */
};

static inline struct outcome child_run(int (*body)(void *), void *arg)
{
    struct outcome o = {0};
    int err = tap_temporary(), status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        dup2(err, 2);
        _exit(body(arg) & 0xff);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    o.exited = WIFEXITED(status);
    o.code = WEXITSTATUS(status);
    o.text = tap_read_all(err);
    close(err);
    return o;
}

static inline void check_says(const struct outcome *o, const char *words, const char *what)
{
    if (strstr(o->text, words))
        return;
    tap_failures++;
    fprintf(stderr, "%s should say: %s\nand says: %s\n", what, words, o->text);
}

/* It must end by abort(), having said the words. */
static inline void check_dies(int (*body)(void *), void *arg, const char *words, const char *what)
{
    struct outcome o = child_run(body, arg);

    if (o.exited) {
        tap_failures++;
        fprintf(stderr, "%s lived, and ended with %d\n", what, o.code);
    }
    check_says(&o, words, what);
    free(o.text);
}

#endif

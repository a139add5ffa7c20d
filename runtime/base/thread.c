/* thread.c: see thread.h. */
#include "base/thread.h"

#include <signal.h>

static void signals_to_block(sigset_t *set, int open)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(set, faults[i]);
    if (open)
        sigdelset(set, open);
}

int thread_start(pthread_t *out_thread, void *(*fn)(void *), void *arg, int open)
{
    sigset_t block, before;
    int err;

    signals_to_block(&block, open);
    pthread_sigmask(SIG_SETMASK, &block, &before);
    err = pthread_create(out_thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

/* thread.h: how a thread of the library's own begins: with all signals blocked, so that the
 * program's handlers run on its own threads. Not the processor's faults, which come where they
 * come, and are the overflow handler's; nor `open`, if that is not 0.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

int thread_start(pthread_t *out_thread, void *(*fn)(void *), void *arg, int open); /* 0 or -errno */

#endif

/* backend.h: which backend a test runs on, for those that are about one of them. */
#ifndef BACKEND_H
#define BACKEND_H

#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool ring_works(void)
{
    struct io_uring ring;

    if (io_uring_queue_init(2, &ring, 0) < 0)
        return false;
    io_uring_queue_exit(&ring);
    return true;
}

/* What rv_run() takes if it is not told. */
static inline const char *backend_here(void)
{
    const char *asked = getenv("REEVE_BACKEND");

    if (asked && strcmp(asked, "auto") != 0)
        return asked;
    return ring_works() ? "uring" : "epoll";
}

static inline bool backend_is(const char *name)
{
    return strcmp(backend_here(), name) == 0;
}

#endif

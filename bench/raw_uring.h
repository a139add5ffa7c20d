/* raw_uring.h: what the raw io_uring servers share: the ring and its loop. */
#ifndef RAW_URING_H
#define RAW_URING_H

#include <liburing.h>

extern struct io_uring raw_uring; /* one server a process, one ring a server */

void raw_uring_open(void);
struct io_uring_sqe *raw_uring_sqe(void); /* never NULL: submits when the queue is full */
void raw_uring_loop(void (*take)(const struct io_uring_cqe *cqe)) __attribute__((noreturn));

#endif

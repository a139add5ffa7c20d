/* fd_share.h: which workers have a number in use, so that rv_close on one of them reaches all.
 *
 * One for each runtime of several workers. A word a number, and nothing but atomic steps on it:
 *
 *     in use --close--> closing --given--> given --closed--> in use, the next life
 *         `----------------- fresh: the kernel gave the number anew ------^
 *
 * In use: a worker enters before it does the first thing with the number in a life; so whoever is
 * not among the users at the close never touches the old file. Closing: nobody enters (-EBADF), and
 * the closer goes round the users that it took out. Given: the kernel has the close, and the number
 * may be another file's by now, opened by a thread that we know nothing of. So nobody enters, but
 * the answer is "not yet" (-EAGAIN) until the closer has heard. fresh, where one of our calls
 * got the number: the close is over, heard of or not; users that are left had it before a raw
 * close(2), and have to be told. The life keeps the closer's late word from meaning the next file.
 *
 * Users are: the first, exactly, since most numbers have only that one; all others as a set of
 * bits, of which each stands for several where workers are many. Who is told in vain loses nothing.
 *
 * Rejected: a list of users under a lock (it would have to live as long as any of them); an answer
 * at once while given (a file that was just opened would be refused).
 */
#ifndef KERNEL_FD_SHARE_H
#define KERNEL_FD_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct fd_share;

/* Who had a number in use, and in which life. */
struct fd_users {
    uint64_t who; /* 0: nobody else */
    uint32_t life;
};

enum { FD_SHARE_WORKERS = 511 };

struct fd_share *fd_share_new(void); /* NULL: no memory */
void fd_share_free(struct fd_share *s);

/* 0; -EBADF: being closed; -EAGAIN: its close is with the kernel; -ENOMEM. */
int fd_share_enter(struct fd_share *s, int fd, unsigned worker);

/* By one who has entered. 0: the number is the caller's to close, and nobody's to use; -EBADF:
 * somebody else is closing it. */
int fd_share_close(struct fd_share *s, int fd, unsigned worker, struct fd_users *out_others);
void fd_share_given(struct fd_share *s, int fd, uint32_t life);
void fd_share_closed(struct fd_share *s, int fd, uint32_t life);

uint32_t fd_share_life(struct fd_share *s, int fd); /* of one that was entered */

/* The kernel gave the number to this worker. Those who have it in use still are to be told. */
struct fd_users fd_share_fresh(struct fd_share *s, int fd, unsigned worker);

/* May that worker be one of them? */
bool fd_users_has(uint64_t who, unsigned worker);

#endif

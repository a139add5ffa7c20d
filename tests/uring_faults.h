/* uring_faults.h: a kernel that misbehaves, put between the library and liburing.
 *
 * For programs linked with
 *   -Wl,--wrap=io_uring_submit_and_wait,--wrap=io_uring_submit_and_wait_timeout
 *   -Wl,--wrap=io_uring_submit_and_get_events,--wrap=io_uring_submit
 * An enter may fail, or submit less than it was given. An operation may never reach the kernel:
 * it is made a NOP on its way in, and its result is put in its place on the way out. All that is
 * of the thread that asks for it, worker 0: the kernel of the other workers behaves.
 */
#ifndef URING_FAULTS_H
#define URING_FAULTS_H

#include "tests/net.h"

#include <liburing.h>

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr);
int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned wait_nr, struct __kernel_timespec *ts,
                                            sigset_t *mask);
int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned wait_nr, struct __kernel_timespec *ts,
                                            sigset_t *mask);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

static _Thread_local struct {
    /* Enters: */
    int every;         /* each so-manieth is spoilt; 0: none */
    const int *errors; /* with these in turn; 1: submits one entry and no more */
    int error_count;
    int enters, spoilt;
    /* Operations: */
    int opcode; /* the next `times` ones of this kind */
    int times;
    int result;              /* end with this */
    void (*meanwhile)(void); /* called when the kernel has refused one */
    uint64_t swapped[8];
    int swapped_count, swaps;
    /* Seen: */
    int overflows;
} faults;

static inline void fault_swap_in(struct io_uring *ring)
{
    unsigned head = *ring->sq.khead, tail = ring->sq.sqe_tail;

    for (; head != tail && faults.times > 0 && faults.swapped_count < 8; head++) {
        struct io_uring_sqe *sqe = &ring->sq.sqes[head & *ring->sq.kring_mask];

        if (sqe->opcode != faults.opcode)
            continue;
        faults.swapped[faults.swapped_count++] = sqe->user_data;
        io_uring_prep_nop(sqe);
        sqe->user_data = faults.swapped[faults.swapped_count - 1];
        faults.times--;
        faults.swaps++;
    }
}

static inline void fault_swap_out(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned head;

    faults.overflows += (*ring->sq.kflags & IORING_SQ_CQ_OVERFLOW) != 0;
    if (faults.swapped_count == 0)
        return;
    io_uring_for_each_cqe(ring, head, cqe)
    {
        for (int i = 0; i < faults.swapped_count; i++) {
            if (cqe->user_data != faults.swapped[i])
                continue;
            cqe->res = faults.result;
            faults.swapped[i] = faults.swapped[--faults.swapped_count];
            if (faults.meanwhile)
                faults.meanwhile();
            break;
        }
    }
    if (faults.meanwhile && faults.swapped_count == 0)
        (void)__real_io_uring_submit_and_get_events(ring);
}

/* What this enter should say in place of its own word; 0: let it be. */
static inline int fault_enter(struct io_uring *ring)
{
    unsigned tail = ring->sq.sqe_tail, pending = tail - *ring->sq.khead;
    int error, got;

    if (faults.every == 0 || ++faults.enters % faults.every)
        return 0;
    error = faults.errors[faults.spoilt++ % faults.error_count];
    if (error < 0)
        return error;
    if (pending < 2)
        return 0;
    ring->sq.sqe_tail = tail - pending + 1;
    got = __real_io_uring_submit_and_get_events(ring);
    ring->sq.sqe_tail = tail;
    return got;
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr)
{
    int err = fault_enter(ring);

    if (err)
        return err;
    fault_swap_in(ring);
    err = __real_io_uring_submit_and_wait(ring, wait_nr);
    fault_swap_out(ring);
    return err;
}

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned wait_nr, struct __kernel_timespec *ts,
                                            sigset_t *mask)
{
    int err = fault_enter(ring);

    if (err)
        return err;
    fault_swap_in(ring);
    err = __real_io_uring_submit_and_wait_timeout(ring, cqe, wait_nr, ts, mask);
    fault_swap_out(ring);
    return err;
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    int err = fault_enter(ring);

    if (err)
        return err;
    fault_swap_in(ring);
    err = __real_io_uring_submit_and_get_events(ring);
    fault_swap_out(ring);
    return err;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    int err = fault_enter(ring);

    if (err)
        return err;
    fault_swap_in(ring);
    err = __real_io_uring_submit(ring);
    fault_swap_out(ring);
    return err;
}

/* ---- what a program of tasks does all day; true to its word or the test fails ---- */

static inline int work_echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[256];
    ssize_t n;

    while ((n = rv_read(fd, buf, sizeof buf)) > 0)
        CHECK_EQ(rv_write_all(fd, buf, (size_t)n), 0);
    CHECK_EQ(n, 0);
    return rv_close(fd);
}

static inline int work_serve(void *arg)
{
    rv_group clients;
    int fd = 0;

    rv_group_open(&clients, RV_NEVER);
    while ((fd = rv_accept(*(int *)arg, NULL, NULL)) >= 0)
        rv_go_copy(&clients, work_echo, &fd, sizeof fd);
    CHECK_EQ(fd, -EINVAL); /* shut */
    return rv_group_close(&clients, 0);
}

struct work {
    struct address at;
    int rounds;
};

static inline int work_client(void *arg)
{
    const struct work *w = arg;
    char sent[32], got[32];
    int fd = rv_socket(w->at.at.ss_family, SOCK_STREAM, 0);

    CHECK_EQ(rv_connect(fd, address_of((struct address *)&w->at), w->at.len), 0);
    for (int i = 0; i < w->rounds; i++) {
        int len = snprintf(sent, sizeof sent, "%d of %llu", i, (unsigned long long)rv_id());

        CHECK_EQ(rv_write_all(fd, sent, (size_t)len), 0);
        CHECK_EQ(rv_read_full(fd, got, (size_t)len), len);
        CHECK(memcmp(sent, got, (size_t)len) == 0);
    }
    CHECK_EQ(WITHIN(RV_MS, rv_read(fd, got, 1)), -ETIMEDOUT);
    return rv_close(fd);
}

static inline int work_file(void *unused)
{
    char path[PATH_ROOM], buf[100];
    int fd, again;

    (void)unused;
    new_path(path);
    fd = MUST(rv_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    again = rv_openat(AT_FDCWD, path, O_RDONLY, 0);
    drop_file(path); /* at once: some tests die */
    for (int i = 0; i < 10; i++) {
        memset(buf, 'a' + i, sizeof buf);
        CHECK_EQ(rv_write(fd, buf, sizeof buf), sizeof buf);
        CHECK_EQ(rv_read(again, buf, sizeof buf), sizeof buf);
        CHECK_EQ(buf[99], 'a' + i);
    }
    CHECK_EQ(rv_fsync(fd), 0);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(again);
}

static inline int work_all(int clients, int rounds)
{
    struct work w = {.rounds = rounds};
    int listener = listening(AF_INET, &w.at);
    rv_group server, others;

    rv_group_open(&server, rv_after(2 * LONG));
    rv_go(&server, work_serve, &listener);
    rv_group_open(&others, rv_after(LONG));
    for (int i = 0; i < clients; i++)
        rv_go(&others, work_client, &w);
    for (int i = 0; i < 4; i++)
        rv_go(&others, work_file, NULL);
    CHECK_EQ(rv_group_close(&others, 0), 0);
    CHECK_EQ(rv_shutdown(listener, SHUT_RDWR), 0);
    CHECK_EQ(rv_group_close(&server, 0), 0);
    return rv_close(listener);
}

#endif

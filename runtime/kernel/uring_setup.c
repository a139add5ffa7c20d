/* uring_setup.c: from what a machine offers to a ring that works, or to words that say why not.
 *
 * Versions: IORING_FEAT_RSRC_TAGS tells of Linux 5.13, and older is refused. SUBMIT_ALL is of 5.18,
 * COOP_TASKRUN and TASKRUN_FLAG of 5.19, SINGLE_ISSUER of 6.0, DEFER_TASKRUN of 6.1: they are for
 * speed only, and dropped one by one where refused. Rings are charged against RLIMIT_MEMLOCK
 * again since 6.14: one that does not fit is halved. NO_SQARRAY (6.6) is not asked for: liburing
 * 2.3, which Debian 12 has, writes to the array that it does away with.
 */
#include "kernel/uring_setup.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/report.h"

enum {
    ENTRIES_LEAST = 8,
    IO_WORKERS_BOUNDED = 16,   /* kernel threads for files; the default is by core, 8 on two */
    IO_WORKERS_UNBOUNDED = 64, /* for what may block for ever; the default is by the hundred */
};

static void no_memory(char *why, unsigned entries)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_MEMLOCK, &limit);
    snprintf(
        why, KERNEL_WHY,
        "io_uring: not enough lockable memory for a ring of %u entries: RLIMIT_MEMLOCK is %llu "
        "bytes; raise it (ulimit -l, LimitMEMLOCK=)",
        entries, (unsigned long long)limit.rlim_cur);
}

static void say_why(char *why, int err, const char *what)
{
    if (err == -ENOSYS)
        snprintf(why, KERNEL_WHY, "io_uring: this kernel has none; Linux 5.13 or newer is needed");
    else if (err == -EPERM || err == -EACCES)
        snprintf(why, KERNEL_WHY,
                 "io_uring: forbidden here: the kernel.io_uring_disabled sysctl, or a container's "
                 "seccomp filter");
    else
        snprintf(why, KERNEL_WHY, "io_uring: %s: %s", what, strerror(-err));
}

/* The flag to do without next, the newest first; 0: none is left. */
static unsigned newest(unsigned flags)
{
    static const unsigned order[] = {IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER,
                                     IORING_SETUP_TASKRUN_FLAG, IORING_SETUP_COOP_TASKRUN,
                                     IORING_SETUP_SUBMIT_ALL};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (flags & order[i])
            return order[i];
    return 0;
}

/* DEFER_TASKRUN needs SINGLE_ISSUER, and TASKRUN_FLAG needs one of the TASKRUN modes: a kernel
 * without DEFER_TASKRUN is asked for COOP_TASKRUN in its place.
 *
 * The completion queue is twice as long as the other at least: a watch speaks as soon as it is
 * armed, so that a queue that one enter's watches fill, while another's wait to get in, ends
 * them all and has them armed again, for ever. */
static int try_flags(struct io_uring *ring, unsigned entries, unsigned cq_entries)
{
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
    int err;

    for (;;) {
        struct io_uring_params params = {
            .flags = flags | IORING_SETUP_CQSIZE,
            .cq_entries = cq_entries < 2 * entries ? 2 * entries : cq_entries,
        };
        unsigned dropped;

        err = io_uring_queue_init_params(entries, ring, &params);
        if (err != -EINVAL || (dropped = newest(flags)) == 0)
            return err;
        flags &= ~dropped;
        if (dropped == IORING_SETUP_DEFER_TASKRUN)
            flags |= IORING_SETUP_COOP_TASKRUN;
        if (dropped == IORING_SETUP_TASKRUN_FLAG)
            flags &= ~(unsigned)IORING_SETUP_COOP_TASKRUN;
    }
}

static int make(struct io_uring *ring, const struct kernel_config *config, char *why)
{
    unsigned entries = config->ring_entries, cq_entries = config->cq_entries;
    int err;

    while ((err = try_flags(ring, entries, cq_entries)) == -ENOMEM && entries > ENTRIES_LEAST) {
        entries /= 2;
        cq_entries /= 2;
    }
    if (err == -ENOMEM)
        no_memory(why, entries);
    else if (err < 0)
        say_why(why, err, "setting up the ring");
    else if (entries < config->ring_entries)
        report("io_uring: lockable memory is short (ulimit -l): a ring of %u entries, not %u",
               entries, config->ring_entries);
    return err;
}

/* A real operation, there and back: some filters let the set-up through and not the rest. */
static int prove(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;
    int err;

    io_uring_prep_nop(sqe);
    do
        err = io_uring_submit_and_wait(ring, 1);
    while (err == -EINTR);
    if (err >= 0)
        err = io_uring_peek_cqe(ring, &cqe);
    if (err >= 0)
        io_uring_cqe_seen(ring, cqe);
    return err;
}

static int check(struct io_uring *ring, char *why)
{
    unsigned workers[2] = {IO_WORKERS_BOUNDED, IO_WORKERS_UNBOUNDED};
    int err;

    if (!(ring->features & IORING_FEAT_RSRC_TAGS)) {
        snprintf(why, KERNEL_WHY,
                 "io_uring: this kernel is too old; Linux 5.13 or newer is needed");
        return -ENOSYS;
    }
    err = prove(ring);
    if (err < 0)
        say_why(why, err, "a first operation");
    io_uring_register_ring_fd(ring);                   /* 5.18; saves an fd look-up */
    io_uring_register_iowq_max_workers(ring, workers); /* 5.15 */
    return err;
}

int uring_set_up(struct io_uring *ring, const struct kernel_config *config, char *out_why)
{
    int err = make(ring, config, out_why);

    if (err < 0)
        return err;
    err = check(ring, out_why);
    if (err < 0)
        io_uring_queue_exit(ring);
    return err;
}

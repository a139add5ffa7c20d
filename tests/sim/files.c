/* files.c: files: reads and writes at the position take turns, those at an offset do not meet,
 * opens and cancels, syncs.
 */
#include <stdio.h>

#include "tests/sim/scenario.h"

enum { PIECE = 3000, FILE_BYTES = 20000, TASKS_MOST = 4, PERIOD = 251 };

static bool may_fail(long err)
{
    return by_the_world(err) || (!in_peace && (err == -EIO || err == -ENOSPC));
}

static int open_file(const char *path, int flags)
{
    int fd = (int)INSIST(rv_openat(AT_FDCWD, path, flags, 0600));

    PROMISE(fd >= 0, "open: %s", strerror(-fd));
    return fd;
}

static void write_pattern(int fd, size_t len)
{
    unsigned char buf[FILE_BYTES];
    long n;

    for (size_t i = 0; i < len; i++)
        buf[i] = (unsigned char)(i % PERIOD);
    for (size_t done = 0; done<len; done += n> 0 ? (size_t)n : 0) {
        n = rv_pwrite(fd, buf + done, len - done, (off_t)done);
        PROMISE(n > 0 || may_fail(n), "pwrite: %s", strerror((int)-n));
    }
}

/* ---- at the position ---- */

static int shared;
static uint64_t counted[PERIOD], taken, put;

static int read_in_turn(void *unused)
{
    unsigned char buf[PIECE];
    long n = 1;

    (void)unused;
    while (n != 0) {
        rv_time deadline = one_in(3) ? rv_after((rv_time)below(300 * RV_US)) : RV_NEVER;

        n = UNTIL(deadline, rv_read(shared, buf, from_to(1, sizeof buf)));
        if (may_fail(n) || (n == -ETIMEDOUT && deadline != RV_NEVER))
            continue;
        PROMISE(n >= 0, "read: %s", strerror((int)-n));
        for (long i = 0; i < n; i++) {
            PROMISE(buf[i] == (buf[0] + i) % PERIOD, "what one read returned is not in one piece");
            counted[buf[i]]++;
        }
        taken += (uint64_t)n;
        if (one_in(4))
            PROMISE(rv_sleep((rv_time)below(300 * RV_US)) == 0, "cancelled?");
    }
    return 0;
}

SCENARIO(turns, "each byte at a file's position is read once, whoever reads")
{
    size_t len = below(FILE_BYTES);
    rv_group g;

    memset(counted, 0, sizeof counted);
    taken = 0;
    shared = open_file("/turns", O_RDWR | O_CREAT);
    write_pattern(shared, len);
    rv_group_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, TASKS_MOST); i > 0; i--)
        rv_go(&g, read_in_turn, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "readers");
    PROMISE(taken == len, "%llu bytes were read, of %zu", (unsigned long long)taken, len);
    for (size_t i = 0; i < PERIOD; i++)
        PROMISE(counted[i] == len / PERIOD + (i < len % PERIOD), "byte %zu came %llu times", i,
                (unsigned long long)counted[i]);
    close_fd(shared);
    return 0;
}

/* Each writes its own value; the file is as long as what all of them wrote. */
static int write_in_turn(void *arg)
{
    unsigned char buf[PIECE], who = *(unsigned char *)arg;

    memset(buf, who, sizeof buf);
    for (uint64_t i = from_to(1, 5); i > 0; i--) {
        rv_time deadline = one_in(3) ? rv_after((rv_time)below(300 * RV_US)) : RV_NEVER;
        long n = UNTIL(deadline, rv_write(shared, buf, from_to(1, sizeof buf)));

        if (may_fail(n) || (n == -ETIMEDOUT && deadline != RV_NEVER))
            continue;
        PROMISE(n > 0, "write: %s", strerror((int)-n));
        counted[who] += (uint64_t)n;
        put += (uint64_t)n;
    }
    return 0;
}

SCENARIO(appends, "writes at a file's position do not cover each other")
{
    unsigned char buf[PIECE];
    off_t at = 0;
    long n;
    rv_group g;

    memset(counted, 0, sizeof counted);
    put = 0;
    shared = open_file("/appends", O_RDWR | O_CREAT | (one_in(2) ? O_APPEND : 0));
    rv_group_open(&g, RV_NEVER);
    for (unsigned char i = 1, tasks = (unsigned char)from_to(1, TASKS_MOST); i <= tasks; i++)
        rv_go_copy(&g, write_in_turn, &i, sizeof i);
    PROMISE(rv_group_close(&g, 0) == 0, "writers");
    while ((n = rv_pread(shared, buf, sizeof buf, at)) != 0) {
        PROMISE(n > 0 || may_fail(n), "pread: %s", strerror((int)-n));
        for (long i = 0; i < n; i++)
            PROMISE(counted[buf[i]]-- > 0, "a byte of %u that it did not write", buf[i]);
        at += n > 0 ? n : 0;
    }
    PROMISE((uint64_t)at == put, "the file has %lld bytes of %llu", (long long)at,
            (unsigned long long)put);
    close_fd(shared);
    return 0;
}

/* ---- at an offset ---- */

static bool lost; /* a sync failed, and may have lost what was written before, whoever did */

static int own_region(void *arg)
{
    uint64_t who = *(uint64_t *)arg;
    unsigned char buf[PIECE];
    off_t base = (off_t)(who * PIECE);
    size_t known = 0; /* bytes from the region's beginning that were written for sure */
    long n;

    for (uint64_t i = from_to(1, 8); i > 0; i--) {
        switch (below(4)) {
        case 0:
            n = one_in(2) ? rv_fsync(shared) : rv_fdatasync(shared);
            PROMISE(n == 0 || may_fail(n), "fsync: %s", strerror((int)-n));
            lost |= n == -EIO;
            break;
        case 1:
            n = known ? rv_pread(shared, buf, known, base) : 0;
            PROMISE(n >= 0 || may_fail(n), "pread: %s", strerror((int)-n));
            if (!lost)
                check_bytes(buf, n > 0 ? (size_t)n : 0, who, 0);
            PROMISE(n < 0 || !in_peace || (size_t)n == known, "a short read in the middle");
            break;
        default:
            if (known == PIECE)
                break;
            fill(buf, PIECE - known, who, known);
            n = rv_pwrite(shared, buf, from_to(1, PIECE - known), base + (off_t)known);
            PROMISE(n > 0 || may_fail(n), "pwrite: %s", strerror((int)-n));
            known += n > 0 ? (size_t)n : 0;
        }
    }
    return 0;
}

SCENARIO(regions, "what is written at an offset is read there, whatever else goes on")
{
    rv_group g;

    lost = false;
    shared = open_file("/regions", O_RDWR | O_CREAT);
    rv_group_open(&g, RV_NEVER);
    for (uint64_t i = 0, tasks = from_to(1, TASKS_MOST); i < tasks; i++)
        rv_go_copy(&g, own_region, &i, sizeof i);
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    close_fd(shared);
    return 0;
}

/* ---- opening, cancelled ---- */

/* An open that says that it was cancelled has opened nothing, and made nothing. */
static void open_and_cancel(unsigned number)
{
    char path[32];
    rv_time deadline = rv_after((rv_time)below(300 * RV_US));
    long fd;

    snprintf(path, sizeof path, "/new-%u", number);
    fd = UNTIL(deadline, rv_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600));
    PROMISE(fd >= 0 || fd == -ETIMEDOUT || by_the_world(fd), "open: %s", strerror((int)-fd));
    if (fd >= 0) {
        close_fd((int)fd);
        return;
    }
    seen("files: an open was cancelled");
    fd = INSIST(rv_openat(AT_FDCWD, path, O_RDONLY, 0));
    PROMISE(fd == -ENOENT, "an open that failed has made a file: %ld", fd);
}

static int opener(void *arg)
{
    unsigned first = *(unsigned *)arg;

    for (unsigned i = 0; i < 8; i++)
        open_and_cancel(first + i);
    return 0;
}

SCENARIO(opens, "an open returns its descriptor, or has opened and made nothing")
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (unsigned i = 0, tasks = (unsigned)from_to(1, TASKS_MOST); i < tasks; i++)
        rv_go_copy(&g, opener, &(unsigned){i * 8}, sizeof(unsigned));
    return rv_group_close(&g, 0);
}

/* shared.c: several readers and several writers on one descriptor.
 *
 * Which reader gets what is open, but each byte is somebody's, once, and what one read returns is
 * one piece of the stream: its bytes count up. Writes of at most PIPE_BUF into a pipe are not
 * mixed. All readers come to the end.
 */
#include <limits.h>

#include "tests/sim/scenario.h"

enum { READERS_MOST = 4, BUFFER = 700, BYTES_MOST = 12000, PERIOD = 251 };

static int fds[2];
static enum way way;
static uint64_t sent[PERIOD], got[PERIOD]; /* by value: a byte is its place modulo PERIOD */
static uint64_t next_place, bytes;
static bool broken;
static unsigned readers_at_end, readers;

/* One writer at a time, or the places would not be in order; whose turn it is, is anybody's
 * guess. */
static int write_some(void *busy)
{
    unsigned char buf[BUFFER];

    while (next_place < bytes && !broken) {
        size_t len = from_to(1, sizeof buf);
        ssize_t n;

        if (*(bool *)busy) {
            PROMISE(rv_yield() == 0, "cancelled?");
            PROMISE(rv_sleep((rv_time)below(100 * RV_US)) == 0, "cancelled?");
            continue;
        }
        *(bool *)busy = true;
        for (size_t i = 0; i < len; i++)
            buf[i] = (unsigned char)((next_place + i) % PERIOD);
        n = INSIST(rv_write(fds[1], buf, len));
        PROMISE(n > 0 || broke(n), "write: %s", strerror((int)-n));
        broken |= n < 0;
        for (ssize_t i = 0; i < n; i++)
            sent[buf[i]]++;
        next_place += n > 0 ? (uint64_t)n : 0;
        *(bool *)busy = false;
    }
    return 0;
}

static int read_some(void *unused)
{
    unsigned char buf[BUFFER];
    ssize_t n = 1;

    (void)unused;
    while (n != 0) {
        rv_time deadline = one_in(3) ? rv_after((rv_time)below(300 * RV_US)) : RV_NEVER;

        n = UNTIL(deadline, rv_read(fds[0], buf, from_to(1, sizeof buf)));
        if (by_the_world(n) || (n == -ETIMEDOUT && deadline != RV_NEVER))
            continue;
        if (n < 0) {
            PROMISE(broke(n), "read: %s", strerror((int)-n));
            broken = true;
            continue; /* told once: the next read ends */
        }
        for (ssize_t i = 0; i < n; i++) {
            PROMISE(buf[i] == (buf[0] + i) % PERIOD, "what one read returned is not in one piece");
            got[buf[i]]++;
        }
    }
    readers_at_end++;
    return 0;
}

static int write_all_of_it(void *unused)
{
    bool busy = false;
    rv_group g;

    (void)unused;
    rv_group_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, 3); i > 0; i--)
        rv_go(&g, write_some, &busy);
    PROMISE(rv_group_close(&g, 0) == 0, "writers");
    close_fd(fds[1]);
    return 0;
}

SCENARIO(shared, "many on one descriptor: each byte is somebody's, once")
{
    rv_group g;

    memset(sent, 0, sizeof sent);
    memset(got, 0, sizeof got);
    next_place = 0;
    bytes = below(BYTES_MOST);
    broken = false;
    readers_at_end = 0;
    readers = (unsigned)from_to(1, READERS_MOST);
    way = (enum way)below(WAY_SEQPACKET);
    open_way(way, fds);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, write_all_of_it, NULL);
    for (unsigned i = 0; i < readers; i++)
        rv_go(&g, read_some, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    PROMISE(readers_at_end == readers, "not all readers saw the end");
    for (int i = 0; i < PERIOD && !broken; i++)
        PROMISE(got[i] == sent[i], "value %d was sent %llu times and came %llu times", i,
                (unsigned long long)sent[i], (unsigned long long)got[i]);
    if (broken)
        seen("shared: broken");
    close_fd(fds[0]);
    return 0;
}

/* ---- whole records into a pipe ---- */

enum { RECORD = 64, RECORDS_MOST = 20 };

static unsigned writers_left;

static int write_records(void *arg)
{
    unsigned char record[RECORD], who = *(unsigned char *)arg;

    for (uint64_t i = from_to(1, RECORDS_MOST); i > 0; i--) {
        ssize_t n;

        memset(record, who, sizeof record);
        n = INSIST(rv_write(fds[1], record, sizeof record));
        PROMISE(n == RECORD, "of a record of %d bytes, %zd were written", RECORD, n);
        sent[who]++;
    }
    if (--writers_left == 0)
        close_fd(fds[1]);
    return 0;
}

/* Behind what is there may come an error that is none of the pipe's. */
static ssize_t read_record(unsigned char *record)
{
    ssize_t n = 1, done = 0;

    while (n > 0 && done < RECORD) {
        n = INSIST(rv_read_full(fds[0], record + done, RECORD - (size_t)done));
        done += n > 0 ? n : 0;
    }
    return n < 0 ? n : done;
}

SCENARIO(records, "small writes of many tasks into one pipe are not mixed")
{
    unsigned char record[RECORD];
    ssize_t n = 1;
    rv_group g;

    memset(sent, 0, sizeof sent);
    memset(got, 0, sizeof got);
    open_way(WAY_PIPE, fds);
    writers_left = (unsigned)from_to(1, 5);
    rv_group_open(&g, RV_NEVER);
    for (unsigned char i = 0, all = (unsigned char)writers_left; i < all; i++)
        rv_go_copy(&g, write_records, &i, sizeof i);
    while ((n = read_record(record)) > 0) {
        PROMISE(n == RECORD, "the end came inside a record");
        for (int i = 0; i < RECORD; i++)
            PROMISE(record[i] == record[0], "two records are mixed");
        got[record[0]]++;
    }
    PROMISE(n == 0, "read_full: %s", strerror((int)-n));
    PROMISE(memcmp(sent, got, sizeof sent) == 0, "records are missing");
    close_fd(fds[0]);
    return rv_group_close(&g, 0);
}

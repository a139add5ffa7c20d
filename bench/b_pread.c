/* b_pread.c: a file read that the page cache can answer.
 *
 * pread_ratio   rv_pread() of 4 KiB over plain pread() of the same, both in the same run
 * pread_rv      ns of the one
 * pread_raw     ns of the other
 *
 * The offsets are pseudo-random and aligned, within 16 MB that the program has just written, and
 * the same for both. The two take turns in short blocks inside one run, so that a drift of the
 * machine meets both alike.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { BLOCK = 4096, BLOCKS = 4096, READS = 2000, TURNS = 100 };

static int file;
static char block[BLOCK] __attribute__((aligned(BLOCK)));
static long sum; /* of the first byte of each block: the two must agree */

static int open_file(void)
{
    const char *dir = getenv("TMPDIR");
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/bench-XXXXXX", dir && *dir ? dir : "/tmp");
    fd = mkstemp(path);
    if (fd < 0)
        bench_die("%s: %s", path, strerror(errno));
    unlink(path);
    for (int i = 0; i < BLOCKS; i++) {
        memset(block, i, sizeof block);
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            bench_die("%s: %s", path, strerror(errno));
    }
    fsync(fd); /* no write-back during the run */
    return fd;
}

static off_t place(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (off_t)(*seed >> 20) % BLOCKS * BLOCK;
}

static void turn_raw(uint32_t seed)
{
    for (int i = 0; i < READS; i++) {
        if (pread(file, block, sizeof block, place(&seed)) != (ssize_t)sizeof block)
            bench_die("pread: %s", strerror(errno));
        sum += block[0];
    }
}

static void turn_rv(uint32_t seed)
{
    for (int i = 0; i < READS; i++) {
        ssize_t n = rv_pread(file, block, sizeof block, place(&seed));
        if (n != (ssize_t)sizeof block)
            bench_die("rv_pread: %s", n < 0 ? strerror((int)-n) : "short");
        sum -= block[0];
    }
}

static int measure(void *arg)
{
    double *ns = arg;

    ns[0] = ns[1] = 0;
    sum = 0;
    for (uint32_t i = 0; i < TURNS; i++) {
        for (uint32_t half = 0; half < 2; half++) {
            bool raw = (i + half) % 2; /* who goes first alternates too */
            bench_begin();
            if (raw)
                turn_raw(i);
            else
                turn_rv(i);
            ns[raw] += bench_end_ns() / ((double)READS * TURNS);
        }
    }
    if (sum != 0)
        bench_die("the two read different bytes");
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_row ratio, rv, raw;
    unsigned runs;

    bench_init(argc, argv);
    runs = bench_runs(9);
    file = open_file();
    bench_row_open(&ratio, "x", "pread_ratio");
    bench_row_open(&rv, "ns", "pread_rv");
    bench_row_open(&raw, "ns", "pread_raw");
    for (unsigned round = 0; round <= runs; round++) {
        double ns[2];
        bench_must(rv_run(measure, ns, NULL), "rv_run");
        if (round == 0)
            continue;
        bench_row_add(&ratio, ns[0] / ns[1]);
        bench_row_add(&rv, ns[0]);
        bench_row_add(&raw, ns[1]);
    }
    bench_row_print(&ratio);
    bench_row_print(&rv);
    bench_row_print(&raw);
    close(file);
    return 0;
}

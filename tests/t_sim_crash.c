/* t_sim_crash.c: a log on a host that loses its power at some moment, through the public calls
 * alone: what a program may rely on, in any world. */
#include "tests/tap.h"

#include "reeve_sim.h"

enum { RECORDS = 30, RECORD = 700, TRIES = 100 };

static int synced;                     /* records of this run: the writer was told so */
static int cuts, torn, missing, whole; /* of all runs */

static char letter(int record)
{
    return (char)('a' + record % 26);
}

/* Ends at the first thing that goes wrong: the log is as long as it has become. */
static int write_log(void *arg)
{
    char record[RECORD];
    int fd = rv_openat(AT_FDCWD, "/data/log", O_WRONLY | O_CREAT | O_APPEND, 0600), err = 0;

    (void)arg;
    for (int i = 0; fd >= 0 && err == 0 && i < RECORDS; i++) {
        memset(record, letter(i), sizeof record);
        err = rv_write_all(fd, record, sizeof record);
        if (err == 0) /* the first one brings the name */
            err = i == 0 ? rv_fsync(fd) : rv_fdatasync(fd);
        synced += err == 0;
    }
    if (fd >= 0)
        rv_close(fd);
    return 0;
}

static int cut_power(void *host)
{
    if (rv_sleep((rv_time)rv_sim_random(60 * RV_MS)) == 0) {
        rv_sim_power_cut(host);
        cuts++;
    }
    return 0;
}

/* A whole record, as far as there is one: what the disk cannot read now it may read later. */
static long read_record(int fd, char *record, int number)
{
    long done = 0, n = 1;

    for (int i = 0; i < TRIES && n != 0 && done < RECORD; i++) {
        n = rv_pread(fd, record + done, (size_t)(RECORD - done), (off_t)number * RECORD + done);
        done += n > 0 ? n : 0;
    }
    return n < 0 ? n : done;
}

static bool is_as_written(const char *record, int number)
{
    for (int i = 0; i < RECORD; i++)
        if (record[i] != letter(number))
            return false;
    return true;
}

static int read_log(void *arg)
{
    char record[RECORD];
    int fd = -EIO, count = 0;
    long n;

    (void)arg;
    for (int i = 0; i < TRIES && fd < 0 && fd != -ENOENT; i++)
        fd = rv_openat(AT_FDCWD, "/data/log", O_RDONLY, 0);
    missing += fd == -ENOENT;
    CHECK(fd >= 0 || (fd == -ENOENT && synced == 0));
    if (fd < 0)
        return 0;
    while ((n = read_record(fd, record, count)) == RECORD && is_as_written(record, count))
        count++;
    torn += n > 0;
    whole += n == 0;
    CHECK(count >= synced);
    return rv_close(fd);
}

static int on_host(rv_fn *fn, rv_fn *beside)
{
    rv_sim_host h;
    int err = rv_sim_host_open(&h, "10.0.0.1");

    if (err < 0)
        return err;
    rv_go(&h.tasks, fn, NULL);
    if (beside) {
        rv_group g; /* of the world, not of the host */

        rv_group_open(&g, RV_NEVER);
        rv_go(&g, beside, &h);
        err = rv_group_close(&g, 0);
    }
    return rv_sim_host_close(&h, err);
}

static int crash_and_look(void *arg)
{
    int err;

    (void)arg;
    synced = 0;
    err = on_host(write_log, cut_power);
    CHECK(err == 0 || err == -ECANCELED);
    return on_host(read_log, NULL);
}

TEST(a_log_has_all_its_synced_records_after_any_power_cut)
{
    int seeds = SCALED(2000, 500);

    CHECK_EQ(rv_sim_seeds(1, (uint64_t)seeds, NULL, crash_and_look, NULL), 0);
    CHECK(cuts >= seeds);
    CHECK(torn > 0 && missing > 0 && whole > 0);
}

TEST(a_calm_world_is_cut_as_badly)
{
    rv_sim_options calm = {.without = RV_SIM_ALL};

    CHECK_EQ(rv_sim_seeds(1, 500, &calm, crash_and_look, NULL), 0);
    CHECK(torn > 0 && missing > 0 && whole > 0);
}

/* sim_disk.h: a simulated world of one host, made by hand, to drive its files directly: no tasks,
 * no room, no time. One at a time.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "tests/tap.h"

#include "base/report.h"
#include "kernel/sim/sim.h"

enum { SECTOR = 512, PAGE = 4096, SEEDS = 1000 };
enum { CALM = RV_SIM_ALL, ALWAYS = 65536 };

static struct sim_config config;
static struct sim *w;

/* `without`: as in rv_sim_options; what it has happens one time in eight. */
static inline void world_new(uint64_t seed, unsigned without)
{
    config = (struct sim_config){.seed = seed};
    w = sim_alloc(sizeof *w);
    w->config = &config;
    w->random = seed;
    w->options.fds_max = 16;
    w->options.disk_bytes = 1 << 20;
    for (int i = 0; i < SIM_FAULTS; i++)
        w->rate[i] = without >> i & 1 ? 0 : 8192;
    list_init(&w->ops);
    list_init(&w->objects);
    w->hosts[0].up = true;
    w->hosts[0].disk = sim_disk_new();
    w->host_count = 1;
}

static inline void close_all(void)
{
    for (size_t i = 0; i < w->numbers_room; i++)
        if (w->numbers[i])
            CHECK_EQ(sim_close_number(w, SIM_FD_FIRST + (int)i), 0);
}

static inline void world_free(void)
{
    close_all();
    CHECK(list_empty(&w->objects));
    sim_disk_free(w->hosts[0].disk);
    free(w->numbers);
    free(w);
}

/* Everything that was open stays behind, dead. */
static inline void power_cut(void)
{
    sim_disk_cut(w, w->hosts[0].disk);
    w->hosts[0].boots++;
}

/* How often that happens from now on, in 65,536. */
static inline void rate_of(unsigned what, unsigned rate)
{
    w->rate[__builtin_ctz(what)] = rate;
}

static inline struct sim_object *object(int fd)
{
    struct sim_object *o = NULL;

    CHECK_EQ(sim_find_object(w, fd, &o), 0);
    return o;
}

static inline int open_at(int dir, const char *path, int flags)
{
    return (int)sim_file_open(w, dir, path, flags, 0666);
}

static inline int open_file(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags);
}

static inline long write_at(int fd, const void *buf, size_t len, int64_t at)
{
    return sim_file_write(w, object(fd), buf, len, at);
}

static inline long read_at(int fd, void *buf, size_t len, int64_t at)
{
    return sim_file_read(w, object(fd), buf, len, at);
}

static inline long cached_at(int fd, void *buf, size_t len, int64_t at)
{
    return sim_file_cached(w, object(fd), buf, len, at);
}

static inline long sync_file(int fd)
{
    return sim_file_sync(w, object(fd), false);
}

static inline long sync_data(int fd)
{
    return sim_file_sync(w, object(fd), true);
}

static inline void fill(int fd, char with, size_t len, int64_t at)
{
    char *bytes = malloc(len);

    memset(bytes, with, len);
    CHECK_EQ(write_at(fd, bytes, len, at), len);
    free(bytes);
}

/* How many of the bytes there are that. */
static inline long count(int fd, char what, size_t len, int64_t at)
{
    char *bytes = malloc(len);
    long n = read_at(fd, bytes, len, at), same = 0;

    for (long i = 0; i < n; i++)
        same += bytes[i] == what;
    free(bytes);
    return n < 0 ? n : same;
}

static inline long size_of(int fd)
{
    static char bytes[1 << 20];

    return read_at(fd, bytes, sizeof bytes, 0);
}

#endif

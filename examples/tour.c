/* tour.c: what reeve is for, at scale, on this machine: `make demo`.
 *
 * Six chapters, each a function that runs as a task of a runtime of its own: spawn, park, serve
 * (tour-serve.c), cancel, read, fail. They check what they do, and their figures make the table
 * at the end. The exit status is 0 only if every check held.
 *
 *   build/.../examples/tour            about ten seconds, half a gigabyte
 *   build/.../examples/tour --quick    a fiftieth of it, for tests; TOUR_QUICK=1 says the same
 *
 * The server's clients end with it, and the file that is read has no name, so that an interrupted
 * tour leaves nothing behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tour.h"

enum { CHAPTER_SECONDS = 60, BLOCK_BYTES = 4096 };

struct scale scale = {1000000, 100000, 10000, 20, 4096, 1000, 200, RV_S, RV_S};

static const struct scale quick = {10000, 2000, 200, 20, 256, 20, 200, RV_S / 5, RV_S / 5};

/* ---- what the chapters share ---- */

/* Bytes, from this process's own account: "VmRSS:", "VmHWM:" (its peak), "VmPTE:" (page tables). */
static long memory(const char *field)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[128];
    long kib = 0;

    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = atol(line + strlen(field));
    if (status)
        fclose(status);
    return kib * 1024;
}

long memory_now(void)
{
    return memory("VmRSS:") + memory("VmPTE:");
}

/* The group joins the line that moves, and its deadline holds for everything in the chapter. */
static int with_progress(void *arg)
{
    rv_fn *chapter = *(rv_fn **)arg;
    rv_group group;
    int err;

    rv_group_open(&group, rv_after(CHAPTER_SECONDS * RV_S));
    rv_go(&group, screen_progress, NULL);
    err = chapter(NULL);
    if (err == 0)
        rv_group_cancel(&group);
    return rv_group_close(&group, err);
}

int run(const char *name, rv_fn *chapter)
{
    screen_chapter(name);
    return rv_run(with_progress, &chapter, NULL);
}

/* One task each for 0 ... count-1; the group is also the barrier at the end. */
int all(rv_fn *fn, long count, size_t at_a_time)
{
    rv_group group;

    rv_group_open(&group, RV_NEVER);
    rv_group_limit(&group, at_a_time);
    for (long i = 0; i < count; i++)
        rv_go_copy(&group, fn, &i, sizeof i);
    return rv_group_close(&group, 0);
}

/* ---- 1. spawn: a tree of tasks that each wait for ten others ---- */

struct node {
    long first, leaves; /* the numbers below it */
    long sum, tasks;    /* written by its task */
};

static int add_up(void *arg)
{
    struct node *self = arg, child[10];
    rv_group group;
    int err;

    self->tasks = 1;
    self->sum = self->leaves == 1 ? self->first : 0;
    if (self->leaves == 1)
        return 0;
    rv_group_open(&group, RV_NEVER);
    for (int i = 0; i < 10; i++) {
        child[i] = (struct node){self->first + i * self->leaves / 10, self->leaves / 10, 0, 0};
        rv_go(&group, add_up, &child[i]);
    }
    err = rv_group_close(&group, 0); /* all ten are over: their sums are here */
    for (int i = 0; i < 10; i++) {
        self->sum += child[i].sum;
        self->tasks += child[i].tasks;
    }
    return err;
}

static int spawn(void *arg)
{
    struct node root = {.leaves = scale.leaves};
    long before = memory_now(), grown;
    rv_time start = rv_now(), time;
    int err = add_up(&root);

    (void)arg;
    time = rv_now() - start;
    grown = memory("VmHWM:") + memory("VmPTE:") - before;
    expect(root.sum == scale.leaves * (scale.leaves - 1) / 2, "the sum is %ld", root.sum);
    tell("%s tasks in a tree added up %s numbers: %s", number(root.tasks).is,
         number(scale.leaves).is, number(root.sum).is);
    row("tasks spawned and joined, a tree", root.tasks, time, megabytes(grown), "%s",
        duration((double)time / (double)root.tasks).is);
    return err;
}

/* ---- 2. park: many tasks asleep at once, each with a stack and a guard page below it ---- */

static struct {
    rv_time first; /* when the first of them is to wake; the next ones follow every STEP */
    long asleep, most, woken, early, disordered, last;
    rv_time late; /* at most */
    rv_time end;  /* when the last one woke */
} park;

#define STEP (2 * RV_US)

static int sleep_until_my_turn(void *arg)
{
    long number = *(long *)arg;
    rv_time when = park.first + number * STEP, now;
    bool in_bed = rv_now() < park.first;
    int err;

    if (++park.asleep > park.most)
        park.most = park.asleep;
    err = rv_sleep_until(when);
    park.asleep--;
    if (err < 0)
        return err;
    now = rv_now();
    park.woken++;
    park.early += now < when;
    park.disordered += in_bed && number < park.last;
    park.last = number;
    park.late = now - when > park.late ? now - when : park.late;
    park.end = now;
    return 0;
}

static int park_all(void *arg)
{
    long before = memory_now(), grown;
    rv_time start = rv_now(), time;
    rv_group group;
    int err = 0;

    (void)arg;
    memset(&park, 0, sizeof park);
    park.first = rv_after(scale.bedtime);
    progress("tasks asleep", &park.asleep, scale.tasks);
    rv_group_open(&group, RV_NEVER);
    for (long i = 0; i < scale.tasks; i++)
        rv_go_copy(&group, sleep_until_my_turn, &i, sizeof i);
    while (err == 0 && park.asleep < scale.tasks && rv_now() < park.first)
        err = rv_sleep(RV_MS);
    time = rv_now() - start;
    grown = memory_now() - before;
    progress("tasks woken", &park.woken, scale.tasks);
    err = rv_group_close(&group, err);
    if (err < 0)
        return err;
    expect(park.woken == scale.tasks, "%ld of %ld tasks woke", park.woken, scale.tasks);
    expect(park.early == 0, "%ld tasks woke before their time", park.early);
    expect(park.disordered == 0, "%ld tasks woke before an earlier one", park.disordered);
    tell("%s tasks slept at once; none woke too early, nor before one that was due before it",
         number(park.most).is);
    row("tasks asleep at once", park.most, time, megabytes(grown), "%s to start; %s bytes",
        duration((double)time / (double)park.most).is, number(grown / park.most).is);
    row("tasks woken in order", park.woken, park.end - park.first, nothing, "%s late at most",
        duration((double)park.late).is);
    return 0;
}

/* Before Linux 6.13 a guard page costs two mappings, and vm.max_map_count allows 65,530. */
static int park_as_many_as_fit(void)
{
    int err;

    while ((err = run("park", park_all)) == -ENOMEM && park.most > 1000) {
        scale.tasks = park.most * 9 / 10;
        tell("no more than %s guarded stacks fit here: once more with %s", number(park.most).is,
             number(scale.tasks).is);
    }
    return err;
}

/* ---- 4. cancel: one deadline ends them all ---- */

static struct {
    long asleep, cancelled;
    rv_time last;
} crowd;

static int sleep_for_ever(void *arg)
{
    int err;

    (void)arg;
    crowd.asleep++;
    err = rv_sleep(RV_NEVER);
    crowd.cancelled += err == -ECANCELED;
    crowd.last = rv_now();
    return err;
}

static int cancel(void *arg)
{
    rv_time deadline = rv_after(scale.bedtime), time;
    rv_group group;
    int err;

    (void)arg;
    progress("tasks asleep", &crowd.asleep, scale.tasks);
    rv_group_open(&group, deadline);
    for (long i = 0; i < scale.tasks; i++)
        rv_go(&group, sleep_for_ever, NULL);
    err = rv_group_close(&group, 0);
    time = crowd.last - deadline;
    expect(err == -ETIMEDOUT, "the group ended with: %s", strerror(-err));
    expect(crowd.cancelled == scale.tasks, "%ld of %ld calls were cancelled", crowd.cancelled,
           scale.tasks);
    tell("one deadline passed, and %s sleeps returned, each once", number(crowd.cancelled).is);
    row("sleeps ended by one deadline", crowd.cancelled, time, nothing, "%s",
        duration((double)time / (double)scale.tasks).is);
    return 0;
}

/* ---- 5. read: blocks of a file that is in the page cache ---- */

static struct {
    int fd;
    long done, wrong;
} file;

/* The nth word of a file is n. */
static int write_file(void)
{
    static uint64_t words[16 * BLOCK_BYTES / sizeof(uint64_t)];
    const long count = sizeof words / sizeof *words, end = scale.blocks * BLOCK_BYTES / 8;
    int err = 0;

    for (long at = 0; at < end && err == 0; at += count) {
        for (long i = 0; i < count; i++)
            words[i] = (uint64_t)(at + i);
        err = rv_write_all(file.fd, words, sizeof words);
    }
    return err;
}

static int read_blocks(void *arg)
{
    uint64_t words[BLOCK_BYTES / sizeof(uint64_t)], random = (uint64_t) * (long *)arg + 1;
    long count = BLOCK_BYTES / sizeof *words;

    for (long i = 0; i < scale.reads; i++) {
        long block = (long)((random = random * 6364136223846793005 + 1) >> 33) % scale.blocks;
        ssize_t n = rv_pread(file.fd, words, sizeof words, block * BLOCK_BYTES);
        bool right = n == BLOCK_BYTES;

        if (n < 0)
            return (int)n;
        for (long k = 0; k < count; k++)
            right &= words[k] == (uint64_t)(block * count + k);
        file.wrong += !right;
        file.done++;
    }
    return 0;
}

static int read_file(void *arg)
{
    const long reads = scale.readers * scale.reads;
    rv_time start;
    int err = write_file();

    (void)arg;
    if (err < 0)
        return err;
    progress("blocks", &file.done, reads);
    start = rv_now();
    err = all(read_blocks, scale.readers, (size_t)scale.readers);
    if (err < 0)
        return err;
    expect(file.wrong == 0 && file.done == reads, "%ld of %ld blocks are wrong", file.wrong,
           file.done);
    tell("%s tasks read %s blocks; every byte is right", number(scale.readers).is,
         number(reads).is);
    row("blocks of 4 KiB read and compared", reads, rv_now() - start, nothing, "%s",
        duration((double)(rv_now() - start) / (double)reads).is);
    return 0;
}

static int read_temporary_file(void)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int err;

    snprintf(path, sizeof path, "%s/reeve-tour-XXXXXX", folder ? folder : "/tmp");
    file.fd = mkstemp(path);
    if (file.fd < 0)
        return -errno;
    unlink(path); /* from here on it lives as long as its descriptor */
    err = run("read", read_file);
    close(file.fd);
    return err;
}

/* ---- 6. fail: the first error cancels the rest of the group, and is its result ---- */

static struct {
    int silent[2]; /* a socket pair on which nobody ever says anything */
    int cancelled;
} family;

static int sleeper(void *arg)
{
    int err = rv_sleep(RV_NEVER);

    (void)arg;
    family.cancelled += err == -ECANCELED;
    return err;
}

static int reader(void *arg)
{
    char byte;
    ssize_t n = rv_read(family.silent[0], &byte, 1);

    (void)arg;
    family.cancelled += n == -ECANCELED;
    return (int)n;
}

static int parent(void *arg)
{
    rv_group children;
    int err;

    (void)arg;
    rv_group_open(&children, RV_NEVER);
    rv_go(&children, sleeper, NULL);
    err = rv_group_close(&children, 0);
    family.cancelled += err == -ECANCELED;
    return err;
}

static int black_sheep(void *arg)
{
    int err = rv_sleep(20 * RV_MS);

    (void)arg;
    return err < 0 ? err : -EIO;
}

static int fail(void *arg)
{
    rv_group group;
    int err;

    (void)arg;
    rv_group_open(&group, RV_NEVER);
    rv_go(&group, reader, NULL);
    rv_go(&group, parent, NULL);
    rv_go(&group, black_sheep, NULL);
    err = rv_sleep(10 * RV_MS);
    tell("four tasks wait; this is what rv_dump() says of them and of those who wait for them:");
    rv_dump(STDOUT_FILENO);
    err = rv_group_close(&group, err);
    expect(err == -EIO, "the group ended with: %s", strerror(-err));
    expect(family.cancelled == 3, "%d tasks were cancelled", family.cancelled);
    tell("one failed: the other three were cancelled, and its error is the group's: %s",
         strerror(-err));
    return 0;
}

static int fail_on_purpose(void)
{
    int err;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, family.silent) < 0)
        return -errno;
    err = run("fail", fail);
    close(family.silent[0]);
    close(family.silent[1]);
    return err;
}

/* ---- all of them ---- */

static int spawn_a_tree(void)
{
    return run("spawn", spawn);
}

static int cancel_all(void)
{
    return run("cancel", cancel);
}

/* A shell's limit on descriptors is often 1,024, and what it may be raised to far more. */
static void fit_connections(void)
{
    const long others = 64;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < (rlim_t)(scale.connections + others)) {
        scale.connections = (long)files.rlim_max - others;
        screen_chapter("tour");
        tell("only %s connections: a process may have %s descriptors (ulimit -Hn)",
             number(scale.connections).is, number((long)files.rlim_max).is);
    }
}

int main(int argc, char **argv)
{
    int (*const chapters[])(void) = {spawn_a_tree, park_as_many_as_fit, serve_other_process,
                                     cancel_all,   read_temporary_file, fail_on_purpose};
    const char *wanted = getenv("TOUR_QUICK");
    bool quickly = argc == 2 && strcmp(argv[1], "--quick") == 0;

    if (argc > 1 && !quickly) {
        fprintf(stderr, "usage: %s [--quick]\n", argv[0]);
        return 2;
    }
    if (quickly || (wanted && strcmp(wanted, "1") == 0))
        scale = quick;
    screen_open();
    fit_connections();
    for (size_t i = 0; i < sizeof chapters / sizeof *chapters; i++) {
        int err = chapters[i]();

        expect(err == 0, "it ended with: %s", strerror(-err));
    }
    return screen_close() == 0 ? 0 : 1;
}

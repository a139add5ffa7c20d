/* t_file.c: regular files and folders: positions, ends, what is cached and what is not. */
#include "tests/net.h"

#include <sys/stat.h>

enum { BIG = 1 << 20 };

static int temporary_file(int flags)
{
    char path[PATH_ROOM];
    int fd;

    new_path(path);
    fd = MUST(rv_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | flags, 0600));
    drop_file(path);
    return fd;
}

/* With that text in it, and the position at its begin. */
static int file_with(const char *text)
{
    char path[PATH_ROOM];
    int fd, again;

    new_path(path);
    fd = MUST(rv_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600));
    CHECK_EQ(rv_write_all(fd, text, strlen(text)), 0);
    again = MUST(rv_openat(AT_FDCWD, path, O_RDWR, 0));
    CHECK_EQ(rv_close(fd), 0);
    drop_file(path);
    return again;
}

/* A big one, where each aligned 4 bytes hold their own place. */
static int numbered_file(int flags)
{
    uint32_t *numbers = malloc(BIG);
    int fd = temporary_file(flags);

    for (uint32_t i = 0; i < BIG / 4; i++)
        numbers[i] = i;
    for (size_t at = 0; at < BIG;) /* which leaves the position alone */
        at += (size_t)MUST(rv_pwrite(fd, (char *)numbers + at, BIG - at, (off_t)at));
    free(numbers);
    return fd;
}

/* A simulated world knows no cache. */
static void forget_cached(int fd)
{
    CHECK_EQ(rv_fsync(fd), 0);
    CHECK(in_sim() || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
}

static size_t wrong_numbers(const uint32_t *numbers, size_t bytes, uint32_t first)
{
    size_t wrong = 0;

    for (uint32_t i = 0; i < bytes / 4; i++)
        wrong += numbers[i] != first + i;
    return wrong;
}

TEST_TASK(a_file_is_written_read_and_synced)
{
    char buf[64];
    int fd = temporary_file(0);

    CHECK_EQ(rv_write(fd, "0123456789", 10), 10);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, 0), 10);
    CHECK_EQ(rv_pread(fd, buf, 3, 4), 3);
    CHECK(memcmp(buf, "456", 3) == 0);
    CHECK_EQ(rv_pwrite(fd, "ab", 2, 4), 2);
    CHECK_EQ(rv_pread(fd, buf, 5, 3), 5);
    CHECK(memcmp(buf, "3ab67", 5) == 0);
    CHECK_EQ(rv_fsync(fd), 0);
    CHECK_EQ(rv_fdatasync(fd), 0);
    CHECK_EQ(rv_read(fd, buf, sizeof buf), 0); /* the position is where the write left it */
    return rv_close(fd);
}

TEST_TASK(the_position_moves_with_reads_and_not_with_preads)
{
    char buf[64];
    int fd = file_with("0123456789");

    CHECK_EQ(rv_read(fd, buf, 2), 2);
    CHECK_EQ(rv_read(fd, buf, 3), 3);
    CHECK(memcmp(buf, "234", 3) == 0);
    CHECK_EQ(rv_pread(fd, buf, 2, 0), 2);
    CHECK_EQ(rv_pwrite(fd, "AB", 2, 0), 2);
    CHECK_EQ(rv_read(fd, buf, 2), 2);
    CHECK(memcmp(buf, "56", 2) == 0);
    CHECK_EQ(rv_write(fd, "X", 1), 1);
    CHECK(in_sim() || lseek(fd, 0, SEEK_CUR) == 8);
    CHECK_EQ(rv_read_full(fd, buf, sizeof buf), 2);
    CHECK(memcmp(buf, "89", 2) == 0);
    CHECK_EQ(rv_read(fd, buf, 1), 0);
    return rv_close(fd);
}

TEST_TASK(reading_past_the_end_is_short_and_then_nothing)
{
    char buf[64];
    int fd = temporary_file(0);

    CHECK_EQ(rv_read(fd, buf, sizeof buf), 0);
    CHECK_EQ(rv_write(fd, "end", 3), 3);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, 1), 2);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, 3), 0);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, 1 << 30), 0);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, -1), -EINVAL);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, INT64_MIN), -EINVAL);
    CHECK_EQ(rv_pwrite(fd, buf, 1, -1), -EINVAL);
    CHECK(rv_pwrite(fd, buf, 1, INT64_MAX) < 0);
    CHECK(rv_pread(fd, buf, 1, INT64_MAX) <= 0);
    return rv_close(fd);
}

TEST_TASK(what_is_not_cached_is_read_whole_all_the_same)
{
    uint32_t *numbers = malloc(BIG);
    int fd;

    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        fd = numbered_file(flags);
        forget_cached(fd);
        CHECK_EQ(rv_pread(fd, numbers, BIG, 0), BIG);
        CHECK_EQ(wrong_numbers(numbers, BIG, 0), 0);

        forget_cached(fd); /* a part is there and the rest is not */
        CHECK_EQ(rv_pread(fd, numbers, 4096, 64 * 4096), 4096);
        CHECK_EQ(rv_pread(fd, numbers, 256 * 1024, 60 * 4096), 256 * 1024);
        CHECK_EQ(wrong_numbers(numbers, 256 * 1024, 60 * 1024), 0);

        forget_cached(fd);
        for (uint32_t at = 0; at < 16 * 8192; at += 8192) {
            CHECK_EQ(rv_read(fd, numbers, 8192), 8192);
            CHECK_EQ(wrong_numbers(numbers, 8192, at / 4), 0);
        }
        CHECK_EQ(rv_close(fd), 0);
    }
    free(numbers);
    return 0;
}

TEST_TASK(holes_read_as_zeros)
{
    char buf[4096];
    int fd = temporary_file(0), nonzero = 0;

    CHECK_EQ(rv_pwrite(fd, "x", 1, BIG), 1);
    forget_cached(fd);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, BIG / 2), sizeof buf);
    for (size_t i = 0; i < sizeof buf; i++)
        nonzero += buf[i] != 0;
    CHECK_EQ(nonzero, 0);
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, BIG - 1), 2);
    return rv_close(fd);
}

/* ---- several tasks, one position ---- */

enum { LINES = 50, LINE_BYTES = 40 };

static int write_lines(void *arg)
{
    char line[LINE_BYTES];

    memset(line, (char)('a' + rv_id() % 26), sizeof line);
    for (int i = 0; i < LINES; i++)
        CHECK_EQ(rv_write(*(int *)arg, line, sizeof line), LINE_BYTES);
    return 0;
}

static int lines_that_are_whole(int fd)
{
    char line[LINE_BYTES];
    int count = 0;

    for (off_t at = 0; rv_pread(fd, line, sizeof line, at) == LINE_BYTES; at += LINE_BYTES) {
        int same = 0;

        for (int i = 0; i < LINE_BYTES; i++)
            same += line[i] == line[0];
        count += same == LINE_BYTES && line[0] != 0;
    }
    return count;
}

TEST_TASK(lines_that_several_tasks_write_at_one_position_stay_apart)
{
    for (int flags = 0; flags <= O_APPEND; flags += O_APPEND) {
        int fd = temporary_file(flags);
        rv_group g;
        char byte;

        rv_group_open(&g, RV_NEVER);
        for (int i = 0; i < 8; i++)
            rv_go(&g, write_lines, &fd);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(lines_that_are_whole(fd), 8 * LINES);
        CHECK_EQ(rv_pread(fd, &byte, 1, 8 * LINES * LINE_BYTES), 0); /* and nothing behind them */
        CHECK_EQ(rv_close(fd), 0);
    }
    return 0;
}

struct reading {
    int fd;
    unsigned char *seen; /* a flag for each block */
};

enum { BLOCK = 8192 };

static int read_blocks(void *arg)
{
    struct reading *r = arg;
    uint32_t numbers[BLOCK / 4];
    ssize_t n;

    while ((n = rv_read(r->fd, numbers, sizeof numbers)) > 0) {
        CHECK_EQ(n, BLOCK);
        CHECK_EQ(numbers[0] % (BLOCK / 4), 0);
        CHECK_EQ(wrong_numbers(numbers, BLOCK, numbers[0]), 0);
        r->seen[numbers[0] / (BLOCK / 4) % (BIG / BLOCK)]++;
    }
    return (int)n;
}

TEST_TASK(blocks_that_several_tasks_read_at_one_position_come_once_each)
{
    unsigned char seen[BIG / BLOCK] = {0};
    struct reading r = {numbered_file(0), seen};
    char page[4096];
    rv_group g;

    forget_cached(r.fd);
    for (int i = 0; i < BIG; i += 5 * BLOCK) /* some of it is cached, in part */
        CHECK_EQ(rv_pread(r.fd, page, sizeof page, i), sizeof page);
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 6; i++)
        rv_go(&g, read_blocks, &r);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    for (int i = 0; i < BIG / BLOCK; i++)
        CHECK_EQ(seen[i], 1);
    return rv_close(r.fd);
}

TEST_TASK(a_wait_for_the_position_of_a_file_can_be_cancelled)
{
    struct reading r = {numbered_file(0), NULL};
    uint32_t *numbers = malloc(BIG);
    rv_group g;

    forget_cached(r.fd);
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 4; i++)
        rv_go(&g, write_lines, &r.fd);
    CHECK_EQ(rv_yield(), 0);
    for (int i = 0; i < 20; i++) {
        long n = WITHIN(i * 5 * RV_US, rv_read(r.fd, numbers, 4096));

        CHECK(n == -ETIMEDOUT || n >= 0);
    }
    CHECK_EQ(rv_group_close(&g, 0), 0);
    free(numbers);
    return rv_close(r.fd);
}

/* ---- what is no plain file ---- */

TEST_TASK(a_folder_is_opened_and_not_read)
{
    char buf[16];
    char path[PATH_ROOM];
    int fd, dir;

    new_path(path);
    fd = MUST(rv_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    dir = rv_openat(AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY, 0);
    CHECK(dir >= 0);
    CHECK_EQ(rv_close(fd), 0);
    CHECK_EQ(rv_read(dir, buf, sizeof buf), -EISDIR);
    CHECK_EQ(rv_pread(dir, buf, sizeof buf, 0), -EISDIR);
    CHECK_EQ(rv_write(dir, buf, sizeof buf), -EBADF);
    CHECK_EQ(rv_fsync(dir), 0);
    fd = rv_openat(dir, path + strlen("/tmp/"), O_WRONLY, 0);
    CHECK(fd >= 0);
    drop_file(path);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(dir);
}

TEST_TASK(files_of_proc_are_read_with_and_without_the_users_o_nonblock)
{
    char buf[4096];

    NOT_IN_SIM("real files: /proc");
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        int fd = rv_openat(AT_FDCWD, "/proc/self/status", O_RDONLY | flags, 0);

        CHECK(WITHIN(LONG, rv_read(fd, buf, sizeof buf)) > 100);
        CHECK(memcmp(buf, "Name:", 5) == 0);
        CHECK(WITHIN(LONG, rv_pread(fd, buf, sizeof buf, 5)) > 100);
        CHECK_EQ(rv_close(fd), 0);
    }
    return 0;
}

struct end {
    const char *path;
    int flags, fd;
};

static int open_end(void *arg)
{
    struct end *e = arg;

    e->fd = rv_openat(AT_FDCWD, e->path, e->flags, 0);
    return e->fd < 0 ? e->fd : 0;
}

/* Before Linux 6.4 it was a thread of the kernel that read the FIFO, and it lets go of it a little
 * later than our close. */
static void check_nobody_reads(const char *path)
{
    rv_time give_up = rv_after(LONG);
    int fd;

    while ((fd = rv_openat(AT_FDCWD, path, O_WRONLY | O_NONBLOCK, 0)) >= 0 && rv_now() < give_up) {
        CHECK_EQ(rv_close(fd), 0);
        CHECK_EQ(rv_sleep(RV_MS), 0);
    }
    CHECK_EQ(fd, -ENXIO);
}

TEST_TASK(a_fifo_opens_when_its_other_end_does)
{
    char folder[] = "/tmp/reeve-XXXXXX", path[64], buf[8];

    NOT_IN_SIM("real descriptors: FIFOs");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/fifo", folder);
    MUST(mkfifo(path, 0600));
    for (int writer_first = 0; writer_first < 2; writer_first++) {
        struct end ends[2] = {{path, writer_first ? O_WRONLY : O_RDONLY, -1},
                              {path, writer_first ? O_RDONLY : O_WRONLY, -1}};
        int reader = writer_first, before = count_fds();
        rv_group g;

        CHECK_EQ(WITHIN(A_MOMENT, rv_openat(AT_FDCWD, path, ends[0].flags, 0)), -ETIMEDOUT);
        CHECK_EQ(count_fds(), before);
        rv_group_open(&g, rv_after(LONG));
        rv_go(&g, open_end, &ends[0]);
        CHECK_EQ(rv_sleep(5 * RV_MS), 0);
        CHECK_EQ(ends[0].fd, -1);
        rv_go(&g, open_end, &ends[1]);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(count_fds(), before + 2);
        CHECK_EQ(rv_write(ends[!reader].fd, "hello", 5), 5);
        CHECK_EQ(rv_close(ends[!reader].fd), 0);
        CHECK_EQ(rv_read_full(ends[reader].fd, buf, sizeof buf), 5);
        CHECK_EQ(rv_close(ends[reader].fd), 0);
    }
    check_nobody_reads(path);
    unlink(path);
    rmdir(folder);
    return 0;
}

TEST_TASK(open_says_what_is_wrong)
{
    char path[PATH_ROOM];
    int fd;

    new_path(path);
    fd = MUST(rv_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600));
    CHECK_EQ(rv_openat(AT_FDCWD, "/tmp/no/such/file", O_RDONLY, 0), -ENOENT);
    CHECK_EQ(rv_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    CHECK_EQ(rv_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    drop_file(path);
    CHECK_EQ(rv_openat(AT_FDCWD, "/tmp", O_RDWR, 0), -EISDIR);
    CHECK_EQ(rv_openat(AT_FDCWD, NULL, O_RDONLY, 0), -EFAULT);
    CHECK_EQ(rv_openat(-1, "relative", O_RDONLY, 0), -EBADF);
    CHECK_EQ(rv_openat(fd, "relative", O_RDONLY, 0), -ENOTDIR);
    return rv_close(fd);
}

TEST_TASK(open_makes_files_with_the_mode_and_closed_on_exec)
{
    char folder[] = "/tmp/reeve-XXXXXX";
    struct stat st;
    int dir, fd;

    NOT_IN_SIM("real files: modes and flags");
    umask(022);
    CHECK(mkdtemp(folder) != NULL);
    dir = rv_openat(AT_FDCWD, folder, O_RDONLY, 0);
    fd = rv_openat(dir, "made", O_RDWR | O_CREAT | O_EXCL, 0666);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0644);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(rv_openat(dir, "made", O_RDWR | O_CREAT | O_EXCL, 0666), -EEXIST);
    unlinkat(dir, "made", 0);
    rmdir(folder);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(dir);
}

/* ---- hazard 33 ---- */

enum { NOBODY = 65534 };

/* The ring was made by root; what counts is who asks. An open that creates goes to a kernel thread
 * of the ring's, one that does not is done on the spot. */
TEST_TASK(hazard_33_a_privilege_that_was_dropped_is_dropped_for_the_ring_too)
{
    char folder[] = "/tmp/reeve-XXXXXX", secret[64], mine[64];
    int fd;

    NOT_IN_SIM("real files: owners and permissions");
    if (geteuid() != 0)
        SKIP("only root has a privilege to drop");
    if (mkdtemp(folder) == NULL)
        return -errno;
    snprintf(secret, sizeof secret, "%s/secret", folder);
    snprintf(mine, sizeof mine, "%s/mine", folder);
    fd = rv_openat(AT_FDCWD, secret, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(rv_close(fd), 0);
    MUST(chmod(folder, 0755));
    MUST(setresuid(NOBODY, NOBODY, 0));
    CHECK_EQ(rv_openat(AT_FDCWD, secret, O_RDONLY, 0), -EACCES);
    CHECK_EQ(rv_openat(AT_FDCWD, mine, O_RDWR | O_CREAT, 0600), -EACCES);
    MUST(setresuid(0, 0, 0));
    unlink(secret);
    unlink(mine);
    rmdir(folder);
    return 0;
}

/* t_sim_file.c: files of a simulated world while nothing bad happens to its disk: what open, read,
 * write and the page cache say. */
#include "tests/sim_disk.h"

/* ---- reading and writing ---- */

TEST(what_is_written_is_read_by_whoever_has_the_file_open)
{
    char buf[64];
    int one, other;

    world_new(1, CALM);
    one = open_file("/file", O_RDWR | O_CREAT);
    other = open_file("/file", O_RDONLY);
    CHECK(one >= SIM_FD_FIRST && other > one);
    CHECK_EQ(write_at(one, "0123456789", 10, 0), 10);
    CHECK_EQ(read_at(other, buf, sizeof buf, 0), 10);
    CHECK_EQ(read_at(other, buf, 3, 4), 3);
    CHECK(memcmp(buf, "456", 3) == 0);
    CHECK_EQ(write_at(one, "ab", 2, 4), 2);
    CHECK_EQ(read_at(other, buf, 5, 3), 5);
    CHECK(memcmp(buf, "3ab67", 5) == 0);
    CHECK_EQ(read_at(other, buf, sizeof buf, 10), 0);
    CHECK_EQ(read_at(other, buf, sizeof buf, INT64_MAX), 0);
    CHECK_EQ(object(one)->inode, object(other)->inode);
    CHECK_EQ(w->stats.faults, 0);
    world_free();
}

TEST(the_position_moves_with_reads_and_writes_at_it)
{
    char buf[64];
    int fd;

    world_new(1, CALM);
    fd = open_file("/file", O_RDWR | O_CREAT);
    CHECK_EQ(write_at(fd, "0123456789", 10, -1), 10);
    CHECK_EQ(read_at(fd, buf, 1, -1), 0);
    fd = open_file("/file", O_RDWR);
    CHECK_EQ(read_at(fd, buf, 3, -1), 3);
    CHECK_EQ(cached_at(fd, buf, 2, 0), 2);
    CHECK_EQ(cached_at(fd, buf, 2, -1), 2);
    CHECK(memcmp(buf, "34", 2) == 0);
    CHECK_EQ(write_at(fd, "AB", 2, 0), 2);
    CHECK_EQ(write_at(fd, "X", 1, -1), 1);
    CHECK_EQ(read_at(fd, buf, sizeof buf, -1), 4);
    CHECK(memcmp(buf, "6789", 4) == 0);
    CHECK_EQ(read_at(fd, buf, 6, 0), 6);
    CHECK(memcmp(buf, "AB234X", 6) == 0);
    world_free();
}

TEST(appending_is_at_the_end_whatever_the_position_is)
{
    char buf[64];
    int fd, other;

    world_new(1, CALM);
    fd = open_file("/log", O_RDWR | O_CREAT | O_APPEND);
    other = open_file("/log", O_WRONLY | O_APPEND);
    CHECK_EQ(write_at(fd, "aa", 2, -1), 2);
    CHECK_EQ(write_at(other, "bb", 2, -1), 2);
    CHECK_EQ(write_at(fd, "cc", 2, 0), 2); /* as pwrite(2) on Linux */
    CHECK_EQ(read_at(fd, buf, sizeof buf, -1), 4);
    CHECK(memcmp(buf, "bbcc", 4) == 0);
    CHECK_EQ(write_at(fd, "dd", 2, -1), 2);
    CHECK_EQ(read_at(fd, buf, sizeof buf, 0), 8);
    CHECK(memcmp(buf, "aabbccdd", 8) == 0);
    world_free();
}

TEST(holes_read_as_zeros_and_take_no_room)
{
    const int64_t far = (int64_t)1 << 39;
    int fd;

    world_new(1, CALM);
    fd = open_file("/sparse", O_RDWR | O_CREAT);
    CHECK_EQ(write_at(fd, "x", 1, far), 1);
    CHECK_EQ(write_at(fd, "y", 1, 3 * PAGE + 5), 1);
    CHECK_EQ(count(fd, 0, PAGE, far / 2), PAGE);
    CHECK_EQ(count(fd, 0, 2 * PAGE, 2 * PAGE), 2 * PAGE - 1);
    CHECK_EQ(count(fd, 'x', PAGE, far - 10), 1);
    CHECK_EQ(write_at(fd, "z", 1, (int64_t)1 << 40), -EFBIG);
    CHECK_EQ(write_at(fd, "zz", 2, ((int64_t)1 << 40) - 1), 1);
    CHECK_EQ(write_at(fd, "z", 1, INT64_MAX), -EFBIG);
    world_free();
}

/* Against a plain array, with all that may go wrong with writes. */
TEST(any_order_of_reads_and_writes_gives_what_an_array_would_give)
{
    static char model[200000], bytes[40000], buf[40000];

    for (uint64_t seed = 1; seed <= 40; seed++) {
        long size = 0;
        int fd;

        world_new(seed, RV_SIM_DISK_ERRORS);
        memset(model, 0, sizeof model);
        fd = open_file("/tmp/file", O_RDWR | O_CREAT);
        for (int i = 0; i < 300; i++) {
            int64_t at = (int64_t)sim_below(w, sizeof model - sizeof bytes);
            size_t len = sim_below(w, sim_below(w, 4) ? 1000 : sizeof bytes);
            long most = at >= size ? 0 : (long)len < size - at ? (long)len : size - at, n;

            memset(bytes, 'a' + i % 26, sizeof bytes);
            switch (sim_below(w, 6)) {
            case 0:
            case 1:
            case 2:
                n = write_at(fd, bytes, len, at);
                CHECK(n >= (len > 0) && n <= (long)len);
                memcpy(model + at, bytes, (size_t)n);
                size = n > 0 && at + n > size ? at + n : size;
                break;
            case 3:
                n = read_at(fd, buf, len, at);
                CHECK_EQ(n, most);
                CHECK(memcmp(buf, model + at, (size_t)n) == 0);
                break;
            case 4:
                n = cached_at(fd, buf, len, at);
                CHECK(n == -EAGAIN || (n >= (most > 0) && n <= most));
                CHECK(n < 0 || memcmp(buf, model + at, (size_t)n) == 0);
                break;
            default:
                if (sim_below(w, 3)) {
                    CHECK_EQ(sync_data(fd), 0);
                } else if (sim_below(w, 8) == 0) {
                    close_all();
                    fd = open_file("/tmp/file", O_RDWR | O_TRUNC);
                    memset(model, 0, sizeof model);
                    size = 0;
                }
            }
        }
        world_free();
    }
}

TEST(a_write_may_be_short_and_is_never_nothing)
{
    char bytes[100] = {0};
    int fd, whole = 0, part = 0;

    world_new(1, CALM & ~RV_SIM_SHORT);
    fd = open_file("/file", O_RDWR | O_CREAT);
    for (int i = 0; i < 1000; i++) {
        long n = write_at(fd, bytes, sizeof bytes, 0);

        CHECK(n >= 1 && n <= (long)sizeof bytes);
        whole += n == sizeof bytes;
        part += n < (long)sizeof bytes;
    }
    CHECK(whole > 500 && part > 50);
    CHECK_EQ(w->stats.faults, part);
    world_free();
}

/* ---- the page cache ---- */

TEST(in_a_calm_world_what_was_written_is_cached)
{
    char buf[PAGE];
    int fd;

    world_new(1, CALM);
    fd = open_file("/file", O_RDWR | O_CREAT);
    fill(fd, 'x', 100 * PAGE, 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(cached_at(fd, buf, PAGE, i * PAGE), PAGE);
    CHECK_EQ(cached_at(fd, buf, PAGE, 100 * PAGE), 0);
    world_free();
}

TEST(what_is_not_cached_says_so_until_it_is_read)
{
    char buf[4 * PAGE];
    int fd;

    world_new(1, CALM);
    fd = open_file("/file", O_RDWR | O_CREAT);
    fill(fd, 'x', 4 * PAGE, 0);
    CHECK_EQ(sync_file(fd), 0);
    power_cut();
    close_all();
    fd = open_file("/file", O_RDWR);
    CHECK_EQ(cached_at(fd, buf, sizeof buf, 0), -EAGAIN);
    CHECK_EQ(read_at(fd, buf, 10, PAGE - 5), 10);
    CHECK_EQ(cached_at(fd, buf, sizeof buf, 0), 2 * PAGE);
    CHECK_EQ(cached_at(fd, buf, sizeof buf, -1), 2 * PAGE);
    CHECK_EQ(cached_at(fd, buf, sizeof buf, -1), -EAGAIN);
    CHECK_EQ(read_at(fd, buf, sizeof buf, -1), 2 * PAGE);
    CHECK_EQ(cached_at(fd, buf, sizeof buf, 0), 4 * PAGE);
    world_free();
}

TEST(pages_are_forgotten_now_and_then_and_nothing_is_lost_by_that)
{
    int fd, again = 0;
    char byte;

    world_new(1, CALM & ~RV_SIM_LATE);
    fd = open_file("/file", O_RDWR | O_CREAT);
    fill(fd, 'x', 10 * PAGE, 0);
    for (int i = 0; i < 300; i++)
        again += cached_at(fd, &byte, 1, i % 10 * PAGE) == -EAGAIN;
    CHECK(again > 0);
    CHECK_EQ(count(fd, 'x', 10 * PAGE, 0), 10 * PAGE);
    world_free();
}

/* ---- opening ---- */

TEST(paths_lead_where_linux_would_have_them_lead)
{
    static const char *const same[] = {"//tmp///a/./b",  "/tmp/../tmp/a/b", "/../../tmp/a/b",
                                       "tmp/a/b",        "./tmp/a/c/../b",  "/tmp/a/../a/b",
                                       "../tmp/x/../a/b"};
    char buf[8];
    int fd, dir, deeper;

    world_new(1, CALM);
    fd = open_file("/tmp/a/b", O_WRONLY | O_CREAT);
    CHECK_EQ(write_at(fd, "this", 4, 0), 4);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        fd = open_file(same[i], O_RDONLY);
        CHECK_EQ(read_at(fd, buf, sizeof buf, 0), 4);
        CHECK_EQ(sim_close_number(w, fd), 0);
    }
    dir = open_file("/tmp", O_RDONLY | O_DIRECTORY);
    deeper = open_at(dir, "a/", O_PATH | O_DIRECTORY);
    CHECK_EQ(read_at(open_at(dir, "a/b", O_RDONLY), buf, sizeof buf, 0), 4);
    CHECK_EQ(read_at(open_at(deeper, "b", O_RDONLY), buf, sizeof buf, 0), 4);
    CHECK_EQ(read_at(open_at(deeper, "../../tmp/a/b", O_RDONLY), buf, sizeof buf, 0), 4);
    CHECK_EQ(read_at(open_at(dir, "/tmp/a/b", O_RDONLY), buf, sizeof buf, 0), 4);
    CHECK_EQ(read_at(open_at(12345, "/tmp/a/b", O_RDONLY), buf, sizeof buf, 0), 4);
    CHECK_EQ(open_at(dir, "b", O_RDONLY), -ENOENT);
    world_free();
}

TEST(open_says_what_is_wrong)
{
    char longest[5000];
    int fd;

    world_new(1, CALM);
    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    fd = open_file("/f", O_RDWR | O_CREAT | O_EXCL);
    CHECK(fd >= 0);
    CHECK_EQ(open_file(NULL, O_RDONLY), -EFAULT);
    CHECK_EQ(open_file("", O_RDONLY), -ENOENT);
    CHECK_EQ(open_file("/tmp/no/such/file", O_RDONLY), -ENOENT);
    CHECK_EQ(open_file("/f/x", O_RDONLY | O_CREAT), -ENOTDIR);
    CHECK_EQ(open_file("/f/.", O_RDONLY), -ENOTDIR);
    CHECK_EQ(open_file("/f/..", O_RDONLY), -ENOTDIR);
    CHECK_EQ(open_file("/f/", O_RDONLY), -ENOTDIR);
    CHECK_EQ(open_file("/f", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    CHECK_EQ(open_file("/f", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    CHECK_EQ(open_file("/tmp", O_RDONLY | O_CREAT | O_EXCL), -EEXIST);
    CHECK_EQ(open_file("/new/", O_RDWR | O_CREAT), -EISDIR);
    CHECK_EQ(open_file("/tmp", O_RDWR), -EISDIR);
    CHECK_EQ(open_file("/tmp", O_RDONLY | O_TRUNC), -EISDIR);
    CHECK_EQ(open_file("/tmp", O_RDONLY | O_CREAT), -EISDIR);
    CHECK_EQ(open_file("/new", O_RDWR | O_CREAT | O_DIRECTORY), -EINVAL);
    CHECK_EQ(open_file("/tmp", O_RDONLY | O_TMPFILE), -EINVAL);
    CHECK_EQ(open_file("/f", O_RDWR | O_TMPFILE), -ENOTDIR);
    CHECK_EQ(open_file(longest, O_RDONLY), -ENAMETOOLONG);
    CHECK_EQ(open_file(longest + sizeof longest - 257, O_RDONLY | O_CREAT), -ENAMETOOLONG);
    CHECK_EQ(open_at(-1, "f", O_RDONLY), -EBADF);
    CHECK_EQ(open_at(fd, "f", O_RDONLY), -ENOTDIR);
    CHECK_EQ(open_file("/dev/null/x", O_RDONLY), -ENOTDIR);
    CHECK_EQ(w->open_count, 1);
    world_free();
}

TEST(a_descriptor_does_what_it_was_opened_for)
{
    char buf[8] = {0};
    int in, out, path, dir;

    world_new(1, CALM);
    out = open_file("/f", O_WRONLY | O_CREAT);
    in = open_file("/f", O_RDONLY);
    path = open_file("/f", O_PATH);
    dir = open_file("/", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(write_at(in, buf, 1, 0), -EBADF);
    CHECK_EQ(read_at(out, buf, 1, 0), -EBADF);
    CHECK_EQ(cached_at(out, buf, 1, 0), -EBADF);
    CHECK_EQ(read_at(path, buf, 1, 0), -EBADF);
    CHECK_EQ(write_at(path, buf, 1, 0), -EBADF);
    CHECK_EQ(sync_file(path), -EBADF);
    CHECK_EQ(read_at(dir, buf, 1, -1), -EISDIR);
    CHECK_EQ(cached_at(dir, buf, 0, -1), -EISDIR);
    CHECK_EQ(write_at(dir, buf, 1, -1), -EBADF);
    CHECK_EQ(sync_file(dir), 0);
    CHECK_EQ(sync_file(in), 0);
    CHECK_EQ(write_at(out, buf, 1, -2), -EINVAL);
    CHECK_EQ(read_at(in, buf, 1, INT64_MIN), -EINVAL);
    CHECK_EQ(object(in)->class->ready(w, object(in)), 5); /* POLLIN | POLLOUT */
    CHECK_EQ(object(dir)->class->kind, FD_FILE);
    world_free();
}

TEST(no_number_left_makes_no_file)
{
    int fd;

    world_new(1, CALM);
    w->options.fds_max = 1;
    fd = open_file("/one", O_RDWR | O_CREAT);
    fill(fd, 'x', 10, 0);
    CHECK_EQ(open_file("/two", O_RDWR | O_CREAT), -EMFILE);
    CHECK_EQ(open_file("/one", O_RDWR | O_TRUNC), -EMFILE);
    CHECK_EQ(size_of(fd), 10);
    close_all();
    CHECK_EQ(open_file("/two", O_RDWR), -ENOENT);
    world_free();
}

TEST(the_devices_are_there)
{
    char buf[8] = "xxxxxxx";
    struct sim_object *o;
    int fd;

    world_new(1, CALM);
    o = object(open_file("/dev/null", O_RDWR | O_CREAT | O_TRUNC));
    CHECK_EQ(o->class->kind, FD_OTHER);
    CHECK_EQ(o->class->take(w, o, buf, 8, 0), 0);
    CHECK_EQ(o->class->put(w, o, buf, 8, 0), 8);
    o = object(open_file("/dev/../dev/zero", O_RDONLY));
    CHECK_EQ(o->class->take(w, o, buf, 4, 0), 4);
    CHECK(memcmp(buf, "\0\0\0\0xxx", 8) == 0);
    CHECK_EQ(o->class->put(w, o, buf, 8, 0), -EBADF);
    o = object(open_file("/dev/full", O_WRONLY));
    CHECK_EQ(o->class->put(w, o, buf, 8, 0), -ENOSPC);
    CHECK_EQ(open_file("/dev/null", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    fd = open_file("/dev", O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(open_at(fd, "null", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    world_free();
}

/* ---- room ---- */

TEST(a_full_disk_takes_what_fits_and_then_nothing)
{
    int fd, other;
    char *bytes;

    world_new(1, CALM);
    w->options.disk_bytes = 4 * PAGE;
    bytes = calloc(1, 8 * PAGE);
    fd = open_file("/one", O_RDWR | O_CREAT);
    other = open_file("/two", O_RDWR | O_CREAT);
    CHECK_EQ(write_at(other, bytes, PAGE, 0), PAGE);
    CHECK_EQ(write_at(fd, bytes, 8 * PAGE, 10), 3 * PAGE - 10);
    CHECK_EQ(write_at(fd, bytes, 8 * PAGE, -1), 3 * PAGE);
    CHECK_EQ(write_at(fd, bytes, 8 * PAGE, -1), -ENOSPC);
    CHECK_EQ(write_at(other, bytes, 1, PAGE), -ENOSPC);
    CHECK_EQ(write_at(other, bytes, PAGE, 0), PAGE);
    free(bytes);
    world_free();
}

TEST(what_was_truncated_makes_room_before_it_is_synced)
{
    int fd;

    world_new(1, CALM);
    w->options.disk_bytes = 8 * PAGE;
    fd = open_file("/one", O_RDWR | O_CREAT);
    for (int i = 0; i < 10; i++) {
        fill(fd, 'x', 8 * PAGE, 0);
        CHECK_EQ(sim_close_number(w, fd), 0);
        fd = open_file("/one", O_RDWR | O_TRUNC);
        CHECK_EQ(size_of(fd), 0);
    }
    world_free();
}

TEST(a_file_without_a_name_goes_when_it_is_closed)
{
    int fd;

    world_new(1, CALM);
    w->options.disk_bytes = 8 * PAGE;
    for (int i = 0; i < 10; i++) {
        fd = open_file("/tmp", O_RDWR | O_TMPFILE);
        fill(fd, 'x', 8 * PAGE, 0);
        CHECK_EQ(sync_file(fd), 0);
        CHECK_EQ(count(fd, 'x', 8 * PAGE, 0), 8 * PAGE);
        CHECK_EQ(sim_close_number(w, fd), 0);
    }
    world_free();
}

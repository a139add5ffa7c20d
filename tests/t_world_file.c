/* t_world_file.c: what a program may count on in every world: files, their names and their errors.
 * Linux is the measure: each line here was so on a real kernel first.
 */
#include "tests/net.h"

static char path[PATH_ROOM]; /* of the test's file */

static int open_it(int flags)
{
    return rv_openat(AT_FDCWD, path, flags, 0600);
}

TEST_TASK(a_file_is_there_for_who_opens_it_later)
{
    char buf[16];
    int first, second;

    new_path(path);
    CHECK_EQ(open_it(O_RDWR), -ENOENT);
    first = open_it(O_RDWR | O_CREAT);
    CHECK(first >= 0);
    CHECK_EQ(rv_write(first, "kept", 4), 4);
    second = open_it(O_RDONLY);
    CHECK_EQ(rv_read(second, buf, sizeof buf), 4);
    CHECK_EQ(rv_pwrite(first, "more", 4, 4), 4);
    CHECK_EQ(rv_read(second, buf, sizeof buf), 4); /* each has a position of its own */
    CHECK(memcmp(buf, "more", 4) == 0);
    close_both((int[]){first, second});
    first = open_it(O_RDWR | O_CREAT); /* which it is already */
    CHECK_EQ(rv_read(first, buf, sizeof buf), 8);
    CHECK_EQ(open_it(O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    drop_file(path);
    return rv_close(first);
}

TEST_TASK(a_file_that_is_cut_short_at_its_opening_is_empty_for_all)
{
    char buf[16];
    int first, second;

    new_path(path);
    first = open_it(O_RDWR | O_CREAT);
    CHECK_EQ(rv_write(first, "gone", 4), 4);
    second = open_it(O_WRONLY | O_TRUNC);
    CHECK_EQ(rv_pread(first, buf, sizeof buf, 0), 0);
    CHECK_EQ(rv_write(first, "x", 1), 1); /* where it was: zeros before it */
    CHECK_EQ(rv_pread(first, buf, sizeof buf, 0), 5);
    CHECK(memcmp(buf, "\0\0\0\0x", 5) == 0);
    close_both((int[]){first, second});
    drop_file(path);
    return 0;
}

TEST_TASK(what_is_appended_goes_to_the_end)
{
    char buf[16];
    int first, second;

    new_path(path);
    first = open_it(O_RDWR | O_CREAT | O_APPEND);
    second = open_it(O_WRONLY | O_APPEND);
    CHECK_EQ(rv_write(first, "a", 1), 1);
    CHECK_EQ(rv_write(second, "b", 1), 1);
    CHECK_EQ(rv_write(first, "c", 1), 1);
    CHECK_EQ(rv_pwrite(first, "d", 1, 0), 1); /* Linux appends even then */
    CHECK_EQ(rv_pread(first, buf, sizeof buf, 0), 4);
    CHECK(memcmp(buf, "abcd", 4) == 0);
    close_both((int[]){first, second});
    drop_file(path);
    return 0;
}

TEST_TASK(a_file_is_only_used_as_it_was_opened)
{
    char byte = 0;
    int fd, reader, writer;

    new_path(path);
    fd = open_it(O_RDWR | O_CREAT);
    reader = open_it(O_RDONLY);
    writer = open_it(O_WRONLY);
    CHECK_EQ(rv_write(reader, &byte, 1), -EBADF);
    CHECK_EQ(rv_pwrite(reader, &byte, 1, 0), -EBADF);
    CHECK_EQ(rv_read(writer, &byte, 1), -EBADF);
    CHECK_EQ(rv_pread(writer, &byte, 1, 0), -EBADF);
    CHECK_EQ(rv_recv(fd, &byte, 1, 0), -ENOTSOCK);
    CHECK_EQ(rv_send(fd, &byte, 1, 0), -ENOTSOCK);
    CHECK_EQ(rv_accept(fd, NULL, NULL), -ENOTSOCK);
    CHECK_EQ(rv_poll(reader, POLLIN | POLLOUT), POLLIN | POLLOUT); /* always */
    CHECK_EQ(rv_fsync(reader), 0);
    CHECK_EQ(rv_read(fd, &byte, 0), 0);
    CHECK_EQ(rv_write(fd, &byte, 0), 0);
    close_both((int[]){reader, writer});
    CHECK_EQ(rv_fsync(reader), -EBADF);
    CHECK_EQ(rv_pread(reader, &byte, 1, 0), -EBADF);
    drop_file(path);
    return rv_close(fd);
}

TEST_TASK(names_that_lead_nowhere_say_why)
{
    char longest[300], deep[PATH_ROOM + 8];
    int fd;

    new_path(path);
    fd = open_it(O_RDWR | O_CREAT);
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "/tmp/", 5);
    longest[sizeof longest - 1] = 0;
    snprintf(deep, sizeof deep, "%s/b", path);
    CHECK_EQ(rv_openat(AT_FDCWD, longest, O_RDWR | O_CREAT, 0600), -ENAMETOOLONG);
    CHECK_EQ(rv_openat(AT_FDCWD, deep, O_RDWR, 0600), -ENOTDIR);
    CHECK_EQ(rv_openat(AT_FDCWD, "", O_RDONLY, 0), -ENOENT);
    if (!in_sim()) /* where any name is that of a folder, if a file is made in it */
        CHECK_EQ(rv_openat(AT_FDCWD, "/tmp/no-such-folder/b", O_RDWR | O_CREAT, 0600), -ENOENT);
    CHECK_EQ(rv_openat(AT_FDCWD, "/tmp", O_WRONLY, 0), -EISDIR);
    CHECK_EQ(rv_openat(AT_FDCWD, "/tmp/", O_RDWR | O_CREAT, 0600), -EISDIR);
    drop_file(path);
    return rv_close(fd);
}

TEST_TASK(a_path_may_begin_at_a_folder_and_wander)
{
    char winding[128], byte = 0;
    int fd, dir, again;

    new_path(path);
    fd = open_it(O_RDWR | O_CREAT);
    CHECK_EQ(rv_write(fd, "x", 1), 1);
    dir = rv_openat(AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY, 0);
    CHECK(dir >= 0);
    snprintf(winding, sizeof winding, ".//./%s", path + strlen("/tmp/"));
    again = rv_openat(dir, winding, O_RDONLY, 0);
    CHECK_EQ(rv_read(again, &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(rv_close(again), 0);
    snprintf(winding, sizeof winding, "../tmp/../../tmp/%s", path + strlen("/tmp/"));
    again = rv_openat(dir, winding, O_RDONLY, 0);
    CHECK_EQ(rv_read(again, &byte, 1), 1);
    close_both((int[]){again, dir});
    CHECK_EQ(rv_openat(dir, "a", O_RDONLY, 0), -EBADF);
    again = rv_openat(-1, path, O_RDONLY, 0); /* an absolute path needs no folder */
    CHECK(again >= 0);
    CHECK_EQ(rv_close(again), 0);
    drop_file(path);
    return rv_close(fd);
}

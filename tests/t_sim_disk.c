/* t_sim_disk.c: the disk of a simulated world: what it says when it fails, and what a power cut
 * leaves on it. */
#include "tests/sim_disk.h"

/* ---- errors ---- */

TEST(a_bad_page_gives_what_is_before_it_and_then_an_error)
{
    static char buf[16 * PAGE];
    int bad = 0, part = 0, whole = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        long n;
        int fd;

        world_new(seed, CALM);
        fd = open_file("/file", O_RDWR | O_CREAT);
        fill(fd, 'x', sizeof buf, 0);
        CHECK_EQ(sync_file(fd), 0);
        power_cut();
        close_all();
        rate_of(RV_SIM_DISK_ERRORS, 32768);
        fd = open_file("/file", O_RDONLY);
        n = read_at(fd, buf, sizeof buf - 100, 100);
        bad += n == -EIO;
        part += n > 0 && n < (long)sizeof buf - 100;
        whole += n == sizeof buf - 100;
        CHECK(n == -EIO || n == sizeof buf - 100 || (n > 0 && (n + 100) % PAGE == 0));
        for (long i = 0; i < n; i++)
            CHECK(buf[i] == 'x');
        if (n > 0) /* cached by now */
            CHECK_EQ(read_at(fd, buf, (size_t)n, 100), n);
        world_free();
    }
    CHECK(bad > 0 && part > 0 && whole > 0);
}

TEST(a_write_that_fails_has_written_nothing)
{
    int fd, io = 0, space = 0, fine = 0;

    world_new(1, CALM);
    fd = open_file("/file", O_RDWR | O_CREAT);
    fill(fd, 'x', PAGE, 0);
    for (int i = 0; i < 500; i++) {
        long n;

        rate_of(RV_SIM_DISK_ERRORS, 8192);
        n = write_at(fd, "yyyy", 4, 4 * i);
        rate_of(RV_SIM_DISK_ERRORS, 0);
        io += n == -EIO;
        space += n == -ENOSPC;
        fine += n == 4;
        CHECK_EQ(count(fd, 'y', 4, 4 * i), n < 0 ? 0 : 4);
    }
    CHECK(io > 0 && space > 0);
    CHECK_EQ(io + space + fine, 500);
    world_free();
}

static void fail_next(bool fails)
{
    w->rate[__builtin_ctz(RV_SIM_DISK_ERRORS)] = fails ? ALWAYS : 0;
}

TEST(a_sync_that_failed_is_told_once_to_each_open_file)
{
    int one, other, late;

    world_new(1, CALM);
    one = open_file("/file", O_RDWR | O_CREAT);
    other = open_file("/file", O_RDWR);
    fill(one, 'x', PAGE, 0);
    fail_next(true);
    CHECK_EQ(sync_file(one), -EIO);
    fail_next(false);
    late = open_file("/file", O_RDWR);
    CHECK_EQ(sync_file(one), 0);
    CHECK_EQ(sync_data(other), -EIO);
    CHECK_EQ(sync_file(other), 0);
    CHECK_EQ(sync_file(late), 0);
    CHECK_EQ(count(one, 'x', PAGE, 0), PAGE);
    world_free();
}

TEST(what_a_failed_sync_dropped_is_not_synced_by_the_next_one)
{
    int lost = 0, there = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool again = seed % 2;
        long n;
        int fd;

        world_new(seed, CALM);
        fd = open_file("/file", O_RDWR | O_CREAT);
        fill(fd, 'x', SECTOR, 0);
        fail_next(true);
        CHECK_EQ(sync_file(fd), -EIO);
        fail_next(false);
        if (again) /* the page is dirty again */
            fill(fd, 'y', 1, 2 * SECTOR);
        CHECK_EQ(sync_file(fd), 0);
        power_cut();
        close_all();
        n = count(open_file("/file", O_RDONLY), 'x', SECTOR, 0);
        CHECK(n == 0 || n == SECTOR);
        CHECK(!again || n == SECTOR);
        lost += n == 0;
        there += n > 0;
        world_free();
    }
    CHECK(lost > 0 && there > 0);
}

TEST(what_a_failed_sync_dropped_is_as_it_was_when_the_cache_forgets_it)
{
    int fd;
    char byte;

    world_new(1, CALM);
    fd = open_file("/file", O_RDWR | O_CREAT);
    fill(fd, 'x', SECTOR, 0);
    CHECK_EQ(sync_file(fd), 0);
    fill(fd, 'y', SECTOR, 0);
    fail_next(true);
    CHECK_EQ(sync_file(fd), -EIO);
    fail_next(false);
    CHECK_EQ(count(fd, 'y', SECTOR, 0), SECTOR);
    rate_of(RV_SIM_LATE, ALWAYS);
    CHECK_EQ(cached_at(fd, &byte, 1, 0), -EAGAIN);
    CHECK_EQ(count(fd, 'x', SECTOR, 0), SECTOR);
    world_free();
}

/* ---- power cuts ---- */

static int boot(const char *path, int flags)
{
    power_cut();
    close_all();
    return open_file(path, flags);
}

TEST(what_was_synced_survives_every_cut)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int fd, how = (int)(seed % 4), flags = how == 2 ? O_SYNC : how == 3 ? O_DSYNC : 0;

        world_new(seed, CALM);
        fd = open_file("/data/file", O_RDWR | O_CREAT | flags);
        fill(fd, 'x', 3 * PAGE + 100, 0);
        if (how == 1) {
            CHECK_EQ(sync_data(fd), 0);
            CHECK_EQ(sync_file(open_file("/data", O_RDONLY)), 0);
        } else if (how == 3) {
            CHECK_EQ(sync_file(open_file("/data", O_RDONLY | O_DIRECTORY)), 0);
        } else {
            CHECK_EQ(how ? 0 : sync_file(fd), 0);
        }
        fd = open_file("/data/file", O_RDWR);
        fill(fd, 'y', 10, PAGE); /* sectors of their own */
        fill(fd, 'y', PAGE, 8 * PAGE);
        fd = boot("/data/file", O_RDONLY);
        CHECK(size_of(fd) >= 3 * PAGE + 100);
        CHECK_EQ(count(fd, 'x', PAGE, 0), PAGE);
        CHECK_EQ(count(fd, 'x', 2 * PAGE + 100 - SECTOR, PAGE + SECTOR), 2 * PAGE + 100 - SECTOR);
        CHECK_EQ(count(fd, 'x', SECTOR - 10, PAGE + 10), SECTOR - 10);
        CHECK_EQ(count(fd, 0, 5 * PAGE - 100, 3 * PAGE + 100),
                 size_of(fd) < 8 * PAGE ? size_of(fd) - 3 * PAGE - 100 : 5 * PAGE - 100);
        fd = boot("/data/file", O_RDONLY); /* and what survived one is synced */
        CHECK_EQ(count(fd, 'x', PAGE, 0), PAGE);
        world_free();
    }
}

TEST(what_was_not_synced_is_there_or_in_part_or_not_and_sectors_are_whole)
{
    int none = 0, part = 0, all = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int fd, there = 0;

        world_new(seed, CALM);
        fd = open_file("/file", O_RDWR | O_CREAT);
        fill(fd, 'x', 4 * PAGE, 0);
        CHECK_EQ(sync_file(fd), 0);
        fill(fd, 'y', 4 * PAGE, 0);
        fd = boot("/file", O_RDONLY);
        CHECK_EQ(size_of(fd), 4 * PAGE);
        for (int i = 0; i < 32; i++) {
            long n = count(fd, 'y', SECTOR, i * SECTOR);

            CHECK(n == 0 || n == SECTOR);
            CHECK_EQ(count(fd, 'x', SECTOR, i * SECTOR), SECTOR - n);
            there += n > 0;
        }
        none += there == 0;
        all += there == 32;
        part += there > 0 && there < 32;
        world_free();
    }
    CHECK(none > 50 && part > 50 && all > 50);
}

/* x synced, y and z not: any of the three may be what the disk has. */
TEST(the_kernel_writes_back_when_it_likes)
{
    int x = 0, y = 0, z = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int fd;

        world_new(seed, CALM);
        fd = open_file("/file", O_RDWR | O_CREAT);
        fill(fd, 'x', SECTOR, 0);
        CHECK_EQ(sync_file(fd), 0);
        fill(fd, 'y', SECTOR, 0);
        fill(fd, 'z', SECTOR, 0);
        fd = boot("/file", O_RDONLY);
        x += count(fd, 'x', SECTOR, 0) == SECTOR;
        y += count(fd, 'y', SECTOR, 0) == SECTOR;
        z += count(fd, 'z', SECTOR, 0) == SECTOR;
        world_free();
    }
    CHECK(x > 0 && y > 0 && z > 0);
    CHECK_EQ(x + y + z, SEEDS);
}

TEST(a_file_has_one_of_its_sizes_after_a_cut_and_zeros_beyond)
{
    int written[7] = {0}, between = 0; /* by thousands; by sectors */

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        long size;
        int fd;

        world_new(seed, CALM);
        fd = open_file("/log", O_RDWR | O_CREAT | O_APPEND);
        fill(fd, 'x', 1000, -1);
        CHECK_EQ(sync_file(fd), 0);
        for (int i = 0; i < 5; i++)
            fill(fd, 'y', 1000, -1);
        fd = boot("/log", O_RDWR);
        size = size_of(fd);
        CHECK(size >= 1000 && size <= 6000);
        CHECK(size % 1000 == 0 || size % SECTOR == 0);
        written[size / 1000] += size % 1000 == 0;
        between += size % SECTOR == 0;
        CHECK_EQ(count(fd, 'x', 1000, 0), 1000);
        CHECK_EQ(count(fd, 'y', 5000, 1000) + count(fd, 0, 5000, 1000), size - 1000);
        fill(fd, 'z', 1, 7000);
        CHECK_EQ(count(fd, 0, (size_t)(7000 - size), size), 7000 - size);
        world_free();
    }
    for (int i = 1; i <= 6; i++)
        CHECK(written[i] > 50);
    CHECK(between > 50);
}

TEST(a_name_that_was_not_synced_may_be_gone)
{
    int gone[5] = {0};

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int fd, how = (int)(seed % 5);

        world_new(seed, CALM);
        fd = open_file("/data/new", O_RDWR | O_CREAT);
        fill(fd, 'x', 10, 0);
        if (how == 1)
            CHECK_EQ(sync_data(fd), 0);
        if (how == 2)
            CHECK_EQ(sync_file(fd), 0);
        if (how >= 3)
            CHECK_EQ(sync_file(open_file(how == 3 ? "/data" : "/", O_RDONLY)), 0);
        fd = boot("/data/new", O_RDONLY);
        CHECK(fd >= 0 || fd == -ENOENT);
        gone[how] += fd == -ENOENT;
        if (fd >= 0 && (how == 1 || how == 2))
            CHECK_EQ(count(fd, 'x', 10, 0), 10);
        if (fd < 0) /* it can be made anew */
            CHECK_EQ(size_of(open_file("/data/new", O_RDWR | O_CREAT | O_EXCL)), 0);
        world_free();
    }
    CHECK(gone[0] > 50 && gone[1] > 50 && gone[4] > 50); /* a folder's names are its own */
    CHECK_EQ(gone[2] + gone[3], 0);
}

TEST(a_truncation_may_not_have_happened)
{
    int before = 0, empty = 0, after = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool synced = seed % 2;
        long size;
        int fd;

        world_new(seed, CALM);
        fd = open_file("/file", O_RDWR | O_CREAT);
        fill(fd, 'x', 3000, 0);
        CHECK_EQ(sync_file(fd), 0);
        fd = open_file("/file", O_RDWR | O_TRUNC);
        CHECK_EQ(size_of(fd), 0);
        if (synced)
            CHECK_EQ(sync_data(fd), 0);
        fill(fd, 'y', 1000, 0);
        fd = boot("/file", O_RDONLY);
        size = size_of(fd);
        before += size == 3000;
        empty += size == 0;
        after += size > 0 && size <= 1000;
        CHECK(!synced || size <= 1000);
        CHECK_EQ(count(fd, 'x', 3000, 0), size == 3000 ? 3000 : 0);
        CHECK_EQ(count(fd, 'y', 3000, 0) + count(fd, 0, 3000, 0), size == 3000 ? 0 : size);
        world_free();
    }
    CHECK(before > 0 && empty > 0 && after > 0);
    CHECK_EQ(before + empty + after, SEEDS);
}

TEST(what_was_open_at_a_cut_is_dead_and_goes_in_any_order)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_object *named, *nameless, *folder;
        char byte;

        world_new(seed, CALM);
        named = object(open_file("/f", O_RDWR | O_CREAT));
        nameless = object(open_file("/", O_RDWR | O_TMPFILE));
        folder = object(open_file("/", O_RDONLY));
        CHECK_EQ(sim_file_write(w, named, "x", 1, 0), 1);
        CHECK_EQ(sim_file_write(w, nameless, "x", 1, 0), 1);
        power_cut();
        CHECK_EQ(sim_file_write(w, named, "y", 1, 0), -EIO);
        CHECK_EQ(sim_file_read(w, nameless, &byte, 1, 0), -EIO);
        CHECK_EQ(sim_file_cached(w, named, &byte, 1, 0), -EIO);
        CHECK_EQ(sim_file_sync(w, folder, false), -EIO);
        CHECK_EQ(sim_file_sync(w, nameless, false), -EIO);
        fill(open_file("/f", O_RDWR | O_CREAT), 'z', PAGE, 0);
        if (seed % 2) {
            sim_disk_free(w->hosts[0].disk);
            w->hosts[0].disk = NULL;
        }
        world_free();
    }
}

/* ---- the seed ---- */

static uint64_t history(uint64_t seed)
{
    static char bytes[50000];
    uint64_t hash;
    int fd = -1;

    world_new(seed, 0);
    memset(bytes, 'a' + (int)(seed % 26), sizeof bytes);
    for (int i = 0; i < 200; i++) {
        int64_t at = (int64_t)sim_below(w, 100000);

        if (fd < 0)
            fd = open_file("/tmp/file", O_RDWR | O_CREAT | (sim_below(w, 4) ? 0 : O_TRUNC));
        sim_tell(w, "wrote", write_at(fd, bytes, sim_below(w, sizeof bytes), at), at);
        sim_tell(w, "read", cached_at(fd, bytes, 5000, at), at);
        sim_tell(w, "read", read_at(fd, bytes, 5000, at), at);
        for (int j = 0; j < 5000; j += 97)
            sim_tell(w, "byte", bytes[j], j);
        if (sim_below(w, 10) == 0)
            sim_tell(w, "synced", sync_file(fd), 0);
        if (sim_below(w, 20) == 0) {
            power_cut();
            close_all();
            fd = -1;
        }
    }
    CHECK(w->stats.faults > 0);
    hash = w->hash;
    world_free();
    return hash;
}

TEST(the_same_seed_is_the_same_history)
{
    uint64_t last = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t hash = history(seed);

        CHECK(hash == history(seed));
        CHECK(hash != last);
        last = hash;
    }
}

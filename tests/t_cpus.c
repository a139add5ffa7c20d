/* t_cpus.c: how many CPUs there are for a process. Quotas are read from trees of cgroups that each
 * test makes for itself, and affinities also from a kernel that knows more CPUs than a cpu_set_t.
 */
// LINK: -Wl,--wrap=sched_getaffinity,--wrap=fopen
#include "tap.h"

#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/cpus.h"

/* ---- trees ---- */

enum { FILES_MAX = 7 };

struct tree {
    const char *what;
    struct {
        const char *path, *text;
    } files[FILES_MAX];
    unsigned cpus; /* 0: no quota */
};

#define SELF "/proc/self/cgroup"
#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/cpu"

static void make_file(const char *root, const char *path, const char *text)
{
    char whole[256];
    FILE *out;

    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(whole, 0700);
    }
    out = fopen(whole, "w");
    CHECK(out && fputs(text, out) >= 0);
    if (out)
        fclose(out);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void check_tree(const struct tree *t)
{
    char root[] = "/tmp/t_cpus-XXXXXX";
    unsigned got, expected = t->cpus ? t->cpus : UINT_MAX;

    CHECK(mkdtemp(root) != NULL);
    for (int i = 0; i < FILES_MAX && t->files[i].path; i++)
        make_file(root, t->files[i].path, t->files[i].text);
    got = cpus_by_quota(root);
    if (got != expected) {
        tap_failures++;
        fprintf(stderr, "%s: %u CPUs, not %u\n", t->what, got, expected);
    }
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define CHECK_TREES(trees)                                       \
    for (size_t i = 0; i < sizeof(trees) / sizeof *(trees); i++) \
    check_tree(&(trees)[i])

TEST(a_quota_of_cgroups_v2_is_rounded_up_to_cpus)
{
    static const struct tree trees[] = {
        {"two", {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "200000 100000\n"}}, 2},
        {"one and a half", {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "150000 100000\n"}}, 2},
        {"a bit over two", {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "200001 100000\n"}}, 3},
        {"a half", {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "50000 100000\n"}}, 1},
        {"next to nothing", {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "1000 1000000\n"}}, 1},
        {"another period", {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "50000 10000\n"}}, 5},
        {"max", {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "max 100000\n"}}, 0},
        {"no last newline", {{SELF, "0::/a"}, {V2 "/a/cpu.max", "300000 100000"}}, 3},
        {"a colon in its name", {{SELF, "0::/a:b\n"}, {V2 "/a:b/cpu.max", "300000 100000\n"}}, 3},
        {"more than there can be",
         {{SELF, "0::/a\n"}, {V2 "/a/cpu.max", "9000000000000000000 1000\n"}},
         0},
    };

    CHECK_TREES(trees);
}

TEST(the_tightest_of_a_cgroup_and_those_above_it_counts)
{
    static const struct tree trees[] = {
        {"the middle",
         {{SELF, "0::/a/b/c\n"},
          {V2 "/a/cpu.max", "700000 100000\n"},
          {V2 "/a/b/cpu.max", "200000 100000\n"},
          {V2 "/a/b/c/cpu.max", "500000 100000\n"},
          {V2 "/a/b/c/d/cpu.max", "100000 100000\n"}, /* below it */
          {V2 "/a/x/cpu.max", "100000 100000\n"}},    /* beside it */
         2},
        {"the top",
         {{SELF, "0::/a/b/c\n"},
          {V2 "/a/cpu.max", "300000 100000\n"},
          {V2 "/a/b/cpu.max", "max 100000\n"},
          {V2 "/a/b/c/cpu.max", "max 100000\n"}},
         3},
        {"its own",
         {{SELF, "0::/a/b\n"},
          {V2 "/a/cpu.max", "max 100000\n"},
          {V2 "/a/b/cpu.max", "400000 100000\n"}},
         4},
        {"all of them max",
         {{SELF, "0::/a/b\n"},
          {V2 "/a/cpu.max", "max 100000\n"},
          {V2 "/a/b/cpu.max", "max 100000\n"}},
         0},
    };

    CHECK_TREES(trees);
}

TEST(in_a_container_the_root_of_the_mount_is_its_cgroup)
{
    static const struct tree trees[] = {
        {"a namespace", {{SELF, "0::/\n"}, {V2 "/cpu.max", "300000 100000\n"}}, 3},
        {"the host's path", {{SELF, "0::/pod/x\n"}, {V2 "/cpu.max", "300000 100000\n"}}, 3},
        {"outside the namespace", {{SELF, "0::/../x\n"}, {V2 "/cpu.max", "300000 100000\n"}}, 3},
        {"v1",
         {{SELF, "4:cpu,cpuacct:/docker/x\n"},
          {V1 "/cpu.cfs_quota_us", "250000\n"},
          {V1 "/cpu.cfs_period_us", "100000\n"}},
         3},
    };

    CHECK_TREES(trees);
}

TEST(a_quota_of_cgroups_v1_is_that_of_the_cpu_controller)
{
#define V1_QUOTA(dir, quota)                    \
    {V1 dir "/cpu.cfs_quota_us", quota},        \
    {                                           \
        V1 dir "/cpu.cfs_period_us", "100000\n" \
    }
    static const struct tree trees[] = {
        {"its own", {{SELF, "1:cpu:/a\n"}, V1_QUOTA("/a", "150000\n")}, 2},
        {"none", {{SELF, "1:cpu:/a\n"}, V1_QUOTA("/a", "-1\n")}, 0},
        {"mounted with others", {{SELF, "1:cpuacct,cpu:/a\n"}, V1_QUOTA("/a", "150000\n")}, 2},
        {"above it",
         {{SELF, "1:cpu:/a/b\n"}, V1_QUOTA("/a", "300000\n"), V1_QUOTA("/a/b", "-1\n")},
         3},
        {"others are no matter",
         {{SELF, "2:cpuacct:/a\n3:cpuset:/a\n5:name=cpu:/a\n"}, V1_QUOTA("/a", "100000\n")},
         0},
        {"the last of many lines",
         {{SELF, "9:name=systemd:/s\n3:cpuset:/\n1:cpu:/a\n0::/\n"}, V1_QUOTA("/a", "200000\n")},
         2},
        {"both versions",
         {{SELF, "1:cpu:/a\n0::/a\n"},
          V1_QUOTA("/a", "500000\n"),
          {V2 "/a/cpu.max", "400000 100000\n"}},
         4},
    };

    CHECK_TREES(trees);
}

TEST(what_is_missing_or_makes_no_sense_limits_nothing)
{
    static const struct tree trees[] = {
        {"nothing at all", {{"/empty", ""}}, 0},
        {"an empty list", {{SELF, ""}, {V2 "/cpu.max", "100000 100000\n"}}, 0},
        {"no path", {{SELF, "0::\n"}, {V2 "/cpu.max", "100000 100000\n"}}, 0},
        {"no colons", {{SELF, "cpu\n\n0\n"}, {V2 "/cpu.max", "100000 100000\n"}}, 0},
        {"one colon", {{SELF, "0:/\n"}, {V2 "/cpu.max", "100000 100000\n"}}, 0},
        {"no files", {{SELF, "1:cpu:/a\n0::/a\n"}}, 0},
        {"empty", {{SELF, "0::/\n"}, {V2 "/cpu.max", ""}}, 0},
        {"words", {{SELF, "0::/\n"}, {V2 "/cpu.max", "a lot\n"}}, 0},
        {"one number", {{SELF, "0::/\n"}, {V2 "/cpu.max", "100000\n"}}, 0},
        {"no time", {{SELF, "0::/\n"}, {V2 "/cpu.max", "0 100000\n"}}, 0},
        {"negative", {{SELF, "0::/\n"}, {V2 "/cpu.max", "-100000 100000\n"}}, 0},
        {"no period", {{SELF, "0::/\n"}, {V2 "/cpu.max", "100000 0\n"}}, 0},
        {"v1 without a period", {{SELF, "1:cpu:/\n"}, {V1 "/cpu.cfs_quota_us", "100000\n"}}, 0},
    };

    CHECK_TREES(trees);
}

TEST(a_path_as_long_as_they_come_limits_nothing)
{
    char root[] = "/tmp/t_cpus-XXXXXX", line[8000], path[256];

    CHECK(mkdtemp(root) != NULL);
    memset(line, 'a', sizeof line - 1);
    line[sizeof line - 1] = 0;
    memcpy(line, "0::/", 4);
    make_file(root, SELF, line);
    CHECK_EQ(cpus_by_quota(root), UINT_MAX);
    snprintf(path, sizeof path, "%s/%s", V2, "cpu.max");
    make_file(root, path, "200000 100000\n");
    CHECK_EQ(cpus_by_quota(root), 2); /* and hides nothing of what is above */
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- affinity ---- */

int __real_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);

static size_t known_cpus; /* by the kernel that a test pretends; 0: the real one */
static int refuses;       /* with this, whatever it is asked */

/* Every third CPU is ours. */
int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
    if (refuses)
        return errno = refuses, -1;
    if (known_cpus == 0)
        return __real_sched_getaffinity(pid, bytes, set);
    if (bytes * 8 < known_cpus)
        return errno = EINVAL, -1;
    CPU_ZERO_S(bytes, set);
    for (size_t cpu = 0; cpu < known_cpus; cpu += 3)
        CPU_SET_S(cpu, bytes, set);
    return 0;
}

TEST(this_process_may_use_some_cpus_and_no_more_than_are_online)
{
    struct cpus c;
    unsigned allowed = cpus_allowed();

    CHECK(allowed >= 1 && allowed <= sysconf(_SC_NPROCESSORS_ONLN));
    CHECK_EQ(cpus_open(&c), 0);
    CHECK(allowed <= c.count && allowed <= cpus_by_quota(""));
    CHECK(allowed == c.count || allowed == cpus_by_quota(""));
    cpus_close(&c);
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

static const char *elsewhere; /* where what is read lies, in place of the real /proc and /sys */

FILE *__wrap_fopen(const char *path, const char *mode)
{
    char whole[PATH_MAX];

    if (elsewhere == NULL || *mode != 'r')
        return __real_fopen(path, mode);
    snprintf(whole, sizeof whole, "%s%s", elsewhere, path);
    return __real_fopen(whole, mode);
}

TEST(affinity_or_quota_is_the_answer_whichever_is_less)
{
    char root[] = "/tmp/t_cpus-XXXXXX";

    CHECK(mkdtemp(root) != NULL);
    make_file(root, SELF, "0::/a\n");
    make_file(root, V2 "/a/cpu.max", "350000 100000\n");
    elsewhere = root;
    known_cpus = 30;
    CHECK_EQ(cpus_allowed(), 4);
    known_cpus = 9;
    CHECK_EQ(cpus_allowed(), 3);
    make_file(root, V2 "/a/cpu.max", "max 100000\n");
    known_cpus = 30;
    CHECK_EQ(cpus_allowed(), 10);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST(more_cpus_than_a_cpu_set_holds_are_seen)
{
    struct cpus c;

    known_cpus = 1023;
    CHECK_EQ(cpus_open(&c), 0);
    CHECK_EQ(c.count, 341);
    cpus_close(&c);
    known_cpus = 6000;
    CHECK_EQ(cpus_open(&c), 0);
    CHECK_EQ(c.count, 2000);
    cpus_close(&c);
    CHECK(cpus_allowed() == 2000 || cpus_allowed() == cpus_by_quota(""));
}

TEST(where_affinity_cannot_be_learnt_there_is_one_cpu)
{
    static const int errors[] = {EPERM, ENOSYS, EINVAL};
    struct cpus c;

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        refuses = errors[i];
        CHECK_EQ(cpus_open(&c), -errors[i]);
        CHECK_EQ(cpus_allowed(), 1);
    }
}

/* The only one that this thread may run on; -1: there are several. */
static int only_cpu(void)
{
    struct cpus c;
    int cpu = 0;

    CHECK_EQ(cpus_open(&c), 0);
    while (!CPU_ISSET_S((size_t)cpu, c.bytes, c.set))
        cpu++;
    cpu = c.count == 1 ? cpu : -1;
    cpus_close(&c);
    return cpu;
}

TEST(a_thread_pinned_to_one_cpu_is_seen_to_have_one)
{
    struct cpus c;

    CHECK_EQ(cpus_open(&c), 0);
    CHECK_EQ(cpus_pin(&c, 0), 0);
    CHECK_EQ(cpus_allowed(), 1);
    CHECK_EQ(only_cpu(), sched_getcpu());
    cpus_close(&c);
}

TEST(pins_go_through_the_cpus_in_turn_and_begin_again)
{
    struct cpus c;
    int last = -1, first;

    CHECK_EQ(cpus_open(&c), 0);
    CHECK_EQ(cpus_pin(&c, 0), 0);
    first = only_cpu();
    for (unsigned i = 0; i < c.count; i++) {
        CHECK_EQ(cpus_pin(&c, i), 0);
        CHECK(only_cpu() > last);
        last = only_cpu();
        CHECK(last >= 0 && CPU_ISSET_S((size_t)last, c.bytes, c.set));
    }
    CHECK_EQ(cpus_pin(&c, c.count), 0);
    CHECK_EQ(only_cpu(), first);
    CHECK_EQ(cpus_pin(&c, UINT_MAX), 0);
    CHECK(only_cpu() >= 0);
    cpus_close(&c);
}

TEST(an_unpinned_thread_has_what_it_had_before)
{
    struct cpus before, after;

    CHECK_EQ(cpus_open(&before), 0);
    CHECK_EQ(cpus_pin(&before, before.count - 1), 0);
    CHECK_EQ(cpus_unpin(&before), 0);
    CHECK_EQ(cpus_open(&after), 0);
    CHECK_EQ(after.count, before.count);
    CHECK(after.bytes == before.bytes && CPU_EQUAL_S(after.bytes, after.set, before.set));
    cpus_close(&before);
    cpus_close(&after);
}

TEST(a_cpu_that_is_not_there_cannot_be_had)
{
    struct cpus c;

    known_cpus = 8192;
    CHECK_EQ(cpus_open(&c), 0);
    CHECK_EQ(cpus_pin(&c, c.count - 1), -EINVAL);
    cpus_close(&c);
}

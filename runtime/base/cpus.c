/* cpus.c: the affinity of a thread, and the CPU quotas of its cgroups. See cpus.h.
 *
 * Where a process is in the cgroups, /proc/self/cgroup tells: a line "0::/path" for version 2, and
 * for version 1 one a hierarchy: "4:cpu,cpuacct:/path". In a container that path may be the
 * host's, with nothing of the kind below the mount, and the mount's own root is the container's
 * cgroup. Both are one walk: from the path up to the mount's root, and what is not there says
 * nothing.
 */
#include "base/cpus.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"

/* ---- affinity ---- */

enum { SET_BYTES_MIN = 128, SET_BYTES_MAX = 1 << 16 }; /* 1,024 CPUs to 524,288 */

int cpus_open(struct cpus *c)
{
    int err = -EINVAL;

    /* -EINVAL: the kernel knows more CPUs than that, and tells nothing of them */
    for (size_t bytes = SET_BYTES_MIN; err == -EINVAL && bytes <= SET_BYTES_MAX; bytes *= 2) {
        cpu_set_t *set = calloc(1, bytes);

        if (set == NULL)
            return -ENOMEM;
        if (sched_getaffinity(0, bytes, set) == 0) {
            *c = (struct cpus){.set = set, .bytes = bytes};
            c->count = (unsigned)CPU_COUNT_S(bytes, set);
            return 0;
        }
        err = -errno;
        free(set);
    }
    return err;
}

void cpus_close(struct cpus *c)
{
    free(c->set);
    *c = (struct cpus){0};
}

int cpus_pin(const struct cpus *c, unsigned which)
{
    cpu_set_t *one = calloc(1, c->bytes);
    size_t cpu = 0;
    int err;

    ASSERT(c->count > 0);
    if (one == NULL)
        return -ENOMEM;
    for (which %= c->count;; cpu++)
        if (CPU_ISSET_S(cpu, c->bytes, c->set) && which-- == 0)
            break;
    CPU_SET_S(cpu, c->bytes, one);
    err = sched_setaffinity(0, c->bytes, one) < 0 ? -errno : 0;
    free(one);
    return err;
}

int cpus_unpin(const struct cpus *c)
{
    return sched_setaffinity(0, c->bytes, c->set) < 0 ? -errno : 0;
}

/* ---- quota ---- */

/* The numbers that a file of a cgroup begins with, two at most: how many there are. */
static int read_numbers(const char *dir, const char *name, long long *first, long long *second)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", dir, name), found;
    FILE *in = len < (int)sizeof path ? fopen(path, "re") : NULL;

    if (in == NULL)
        return 0;
    found = fscanf(in, "%lld %lld", first, second);
    fclose(in);
    return found;
}

/* What one cgroup says; version 1 has -1 for none, version 2 the word "max". */
static unsigned quota_of(const char *dir, bool v2)
{
    long long quota = 0, period = 0, unused, cpus;

    if (v2)
        read_numbers(dir, "cpu.max", &quota, &period);
    else if (read_numbers(dir, "cpu.cfs_quota_us", &quota, &unused) >= 1)
        read_numbers(dir, "cpu.cfs_period_us", &period, &unused);
    if (quota <= 0 || period <= 0)
        return UINT_MAX;
    cpus = (quota - 1) / period + 1;
    return cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;
}

/* The tightest of the cgroup and those above it; mount: where the hierarchy is, below root. */
static unsigned tightest(const char *root, const char *mount, const char *cgroup, bool v2)
{
    unsigned least = UINT_MAX;
    size_t top;
    char *dir;

    if (asprintf(&dir, "%s/sys/fs/cgroup%s%s", root, mount, cgroup) < 0)
        return UINT_MAX;
    top = strlen(dir) - strlen(cgroup);
    for (;;) {
        unsigned here = quota_of(dir, v2);

        least = here < least ? here : least;
        if (strlen(dir) <= top)
            break;
        *strrchr(dir, '/') = 0;
    }
    free(dir);
    return least;
}

/* Is "cpu" among them? "cpuacct" and "cpuset" are others. */
static bool lists_cpu(const char *controllers)
{
    while (*controllers) {
        size_t len = strcspn(controllers, ",");

        if (len == 3 && memcmp(controllers, "cpu", 3) == 0)
            return true;
        controllers += len + (controllers[len] == ',');
    }
    return false;
}

/* One line of /proc/self/cgroup, "number:controllers:/path"; anything else says nothing. */
static unsigned quota_of_line(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *cgroup = controllers ? strchr(controllers + 1, ':') : NULL;

    if (cgroup == NULL || cgroup[1] != '/')
        return UINT_MAX;
    controllers++;
    *cgroup++ = 0;
    cgroup[strcspn(cgroup, "\n")] = 0;
    if (*controllers == 0)
        return tightest(root, "", cgroup, true);
    /* however it is mounted together with others, there is a link of its own name */
    return lists_cpu(controllers) ? tightest(root, "/cpu", cgroup, false) : UINT_MAX;
}

unsigned cpus_by_quota(const char *root)
{
    unsigned least = UINT_MAX;
    char path[PATH_MAX], *line = NULL;
    size_t room = 0;
    FILE *in;

    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    in = fopen(path, "re");
    if (in == NULL)
        return UINT_MAX;
    while (getline(&line, &room, in) > 0) {
        unsigned here = quota_of_line(root, line);

        least = here < least ? here : least;
    }
    free(line);
    fclose(in);
    return least;
}

unsigned cpus_allowed(void)
{
    unsigned quota = cpus_by_quota(""), count = 1;
    struct cpus c;

    if (cpus_open(&c) == 0) {
        count = c.count;
        cpus_close(&c);
    }
    return quota < count ? quota : count;
}

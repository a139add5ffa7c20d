/* cpus.h: how many CPUs this process may use at once, and which; and a thread kept to one of them.
 *
 * Two things bound it. Affinity says which CPUs (taskset, cpusets). A cgroup's quota says how
 * much time on any of them (containers): 150 ms in each 100 ms are one and a half CPUs, and bound
 * whoever is in the cgroup or in one below it. A worker more than that gains nothing: the quota is
 * used up the sooner, and then all of them stand still until the next period. Half a CPU is
 * rounded up: a worker fewer would leave it unused.
 *
 * Only an answer to "auto", asked once at start: a quota that changes later goes unseen. What
 * cannot be learnt bounds nothing, so a number always comes out of it.
 *
 * Rejected: the number of CPUs online, which is the machine's and no business of a container's;
 * cpu.weight and cpu.shares, which bound nobody on an idle machine; searching the mounts for the
 * cgroups' place, which is /sys/fs/cgroup wherever there is a systemd, or a container's runtime.
 */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

#include <sched.h>
#include <stddef.h>

/* The calling thread's affinity and its cgroup's quota, whichever is less; at least 1. */
unsigned cpus_allowed(void);

/* The quota's part of it: UINT_MAX, there is none. root stands before /proc and /sys: "" is the
 * real one. */
unsigned cpus_by_quota(const char *root);

/* What a thread may run on. Its owner writes it once; then any thread may read it. */
struct cpus {
    cpu_set_t *set;
    size_t bytes; /* of set: a kernel may know more CPUs than a cpu_set_t holds */
    unsigned count;
};

int cpus_open(struct cpus *c); /* the calling thread's: 0, -ENOMEM, or what the kernel says */
void cpus_close(struct cpus *c);

/* Keeps the calling thread to the which-th CPU of c, counted around. */
int cpus_pin(const struct cpus *c, unsigned which);
int cpus_unpin(const struct cpus *c); /* lets it run on all of c again */

#endif

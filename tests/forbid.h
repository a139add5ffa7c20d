/* forbid.h: from here on some system calls fail, as in a container. */
#ifndef FORBID_H
#define FORBID_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* For this thread and what it becomes the parent of. False: there are no filters here. */
static inline bool forbid(const int *calls, int count, int error)
{
    struct sock_filter program[16];
    struct sock_fprog filter = {.filter = program};
    unsigned short n = 0;

    program[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        program[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        program[n++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter.len = n;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* In a test. */
#define FORBID(calls, error)                                          \
    do {                                                              \
        if (!forbid((calls), sizeof(calls) / sizeof *(calls), error)) \
            SKIP("no seccomp filters here");                          \
    } while (0)

#endif

/* without_uring.c: runs a program where io_uring is forbidden, as containers forbid it.
 *
 *   without_uring PROGRAM [ARGUMENT]...
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/forbid.h"

int main(int argc, char **argv)
{
    static const int calls[] = {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

    if (argc < 2) {
        fprintf(stderr, "usage: without_uring PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    if (!forbid(calls, 3, EPERM)) {
        printf("1..0 # SKIP no seccomp filters here\n");
        return 0;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "without_uring: %s: %s\n", argv[1], strerror(errno));
    return 127;
}

/* kv.c: a small database: keys and values over TCP, and a log that outlives a crash.
 *
 *   build/.../examples/kv 7000 kv.log          then, elsewhere:  nc localhost 7000
 *   build/.../examples/kv --simulate           1,000 lives of it, with crashes, in a few seconds
 *   build/.../examples/kv --simulate --hasty   the same with a bug in it, which is found
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

static int run(void *arg)
{
    return serve(arg);
}

int main(int argc, char **argv)
{
    struct kv_options o = {.port = 7000, .log = "kv.log"};
    int err;

    if (argc > 1 && strcmp(argv[1], "--simulate") == 0) {
        o.hasty = argc > 2 && strcmp(argv[2], "--hasty") == 0;
        return simulate(1000, o.hasty) < 0;
    }
    if (argc > 1)
        o.port = (uint16_t)atoi(argv[1]);
    if (argc > 2)
        o.log = argv[2];
    err = rv_run(run, &o, NULL);
    fprintf(stderr, "kv: %s\n", strerror(-err));
    return 1;
}

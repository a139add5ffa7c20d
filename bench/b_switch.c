/* b_switch.c: what the CPU charges for a raw context switch, one way, nothing around it.
 *
 * The two sides are different code, so each switch lands at another address than the last, as
 * it does in a program: two copies of one loop would let the return predictor guess right and
 * report half the price.
 */
#include "bench.h"
#include "raw_context.h"

enum { ROUNDS = 5000000 };

static struct context here, there;

static void other_side(void *arg)
{
    (void)arg;
    for (;;)
        context_switch(&there, &here);
}

static double raw_switch(void)
{
    struct raw_stack stack = raw_context_open(&there, other_side);
    double ns;

    bench_begin();
    for (long i = 0; i < ROUNDS; i++)
        context_switch(&here, &there);
    ns = bench_end_ns();
    raw_context_close(stack);
    return ns / (2.0 * ROUNDS);
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {{"switch", "ns", raw_switch}};

    bench_init(argc, argv);
    bench_run(cases, BENCH_COUNT(cases), bench_runs(9));
    return 0;
}

/* raw_context.c: a stack from mmap and a context prepared on it.
 *
 * The stack's top is moved off the page boundary: two stacks whose hot frames share their page
 * offset compete for the same lines of the first-level cache, which is not what the row is about.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "raw_context.h"

#include <sys/mman.h>

#include "bench.h"

enum { STACK_BYTES = 64 * 1024, OFF_THE_PAGE = 832 };

struct raw_stack raw_context_open(struct context *ctx, void (*entry)(void *arg))
{
    struct raw_stack stack = {
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};

    if (stack.low == MAP_FAILED)
        bench_die("no memory for a stack");
    madvise(stack.low, STACK_BYTES, MADV_NOHUGEPAGE);
    context_prepare(ctx, stack.low, (char *)stack.low + STACK_BYTES - OFF_THE_PAGE, entry, NULL);
    return stack;
}

void raw_context_close(struct raw_stack stack)
{
    munmap(stack.low, STACK_BYTES);
}

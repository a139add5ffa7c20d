/* sanitize.h: what AddressSanitizer, ThreadSanitizer, LeakSanitizer and valgrind must be told
 * about stacks that are not the thread's own. Nothing of it is left in a plain build but
 * valgrind's registration, once a slot, where its header is installed.
 *
 * ASan (hazard 14): each switch is announced and confirmed; a dying task hands NULL so that its
 * fake frames are freed; a stack that is lent again is unpoisoned first.
 * TSan (hazard 15): a fiber each; its handles run out at 8,128 live with gcc 12, so a slot keeps
 * its handle, and trimming leaves the head alone. Not for good: TSan notes the entry of each
 * function, the last ones of a task never return, and it has no check where 65,536 are noted.
 * LSan (hazard 16): a parked stack is a root: it may hold the only pointer to a block.
 */
#ifndef STACK_SANITIZE_H
#define STACK_SANITIZE_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SANITIZED 1
#else
#define STACK_SANITIZED 0
#endif

#ifdef __SANITIZE_ADDRESS__
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
void __sanitizer_syscall_pre_impl_close(long fd); /* gcc has no header for it */
#endif
#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define STACK_VALGRIND 1
#endif
#endif

enum { STACK_FIBER_LIVES = 1000 };

struct stack_sanitizer {
#ifdef __SANITIZE_ADDRESS__
    void *fake; /* ASan's fake stack while switched out */
    char *low;
    size_t bytes;
#endif
#ifdef __SANITIZE_THREAD__
    void *fiber;
    int lives; /* of its stack, since it was made */
#endif
    char nothing[STACK_SANITIZED]; /* keeps the member there in plain builds, at no size */
};

/* The slot exists from now on. head: where the owner's struct lies. */
static inline void sanitize_made(char *low, char *head)
{
#ifdef __SANITIZE_ADDRESS__
    __lsan_register_root_region(low, (size_t)(head - low));
#endif
#ifdef STACK_VALGRIND
    VALGRIND_STACK_REGISTER(low, head);
#endif
    (void)low;
    (void)head;
}

static inline void sanitize_unmade(char *low, char *head, struct stack_sanitizer *s)
{
#ifdef __SANITIZE_ADDRESS__
    __lsan_unregister_root_region(low, (size_t)(head - low));
    __asan_unpoison_memory_region(low, (size_t)(head - low));
#endif
#ifdef __SANITIZE_THREAD__
    if (s->fiber)
        __tsan_destroy_fiber(s->fiber);
#endif
    (void)low;
    (void)head;
    (void)s;
}

/* The slot is lent again. */
static inline void sanitize_lent(char *low, char *head, struct stack_sanitizer *s)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(low, (size_t)(head - low));
    s->fake = NULL;
    s->low = low;
    s->bytes = (size_t)(head - low);
#endif
#ifdef __SANITIZE_THREAD__
    if (s->fiber && ++s->lives == STACK_FIBER_LIVES) {
        __tsan_destroy_fiber(s->fiber);
        s->fiber = NULL;
    }
    if (s->fiber == NULL) {
        s->fiber = __tsan_create_fiber(0);
        s->lives = 0;
    }
#endif
    (void)low;
    (void)head;
    (void)s;
}

/* Just before a switch: from one stack (for good, if it is dying) to another. */
static inline void sanitize_leave(struct stack_sanitizer *from, int dying,
                                  struct stack_sanitizer *to)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake, to->low, to->bytes);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    (void)from;
    (void)dying;
    (void)to;
}

/* Just after it, on the stack that was switched to. */
static inline void sanitize_arrive(struct stack_sanitizer *me)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(me->fake, NULL, NULL);
#endif
    (void)me;
}

/* The thread's own stack takes part too. */
static inline void sanitize_thread(struct stack_sanitizer *me)
{
#ifdef __SANITIZE_ADDRESS__
    pthread_attr_t attr;
    void *low = NULL;

    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &low, &me->bytes);
        pthread_attr_destroy(&attr);
    }
    me->low = low;
#endif
#ifdef __SANITIZE_THREAD__
    me->fiber = __tsan_get_current_fiber();
#endif
    (void)me;
}

/* The kernel, or a copy that the tools do not see, wrote these bytes. */
static inline void sanitize_written(void *buf, size_t len)
{
#ifdef STACK_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(buf, len);
#endif
    (void)buf;
    (void)len;
}

/* The kernel is told to close it, and not by close(2). TSan remembers who made which descriptor:
 * who gets the number next, on another thread, would seem to race with that. */
static inline void sanitize_close(int fd)
{
#ifdef __SANITIZE_THREAD__
    __sanitizer_syscall_pre_impl_close(fd);
#endif
    (void)fd;
}

#endif

/* fd_share.c: see fd_share.h.
 *
 * The words lie in a tree of three levels, made where numbers are used and kept: 2^31 numbers, and
 * those of a simulated world do not begin at 0.
 */
#include "kernel/fd_share.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/report.h"

enum { TOP_COUNT = 1 << 11, LEVEL_BITS = 10, LEVEL_COUNT = 1 << LEVEL_BITS };

/* The word, from below: USER_BITS, the first user's number and one, two flags, the life. */
enum { USER_BITS = 40, FIRST_BITS = 9, LIFE_AT = USER_BITS + FIRST_BITS + 2 };

_Static_assert(FD_SHARE_WORKERS == (1 << FIRST_BITS) - 1, "0 is nobody");

#define BITS_MASK ((UINT64_C(1) << USER_BITS) - 1)
#define FIRST_MASK (((UINT64_C(1) << FIRST_BITS) - 1) << USER_BITS)
#define USERS_MASK (BITS_MASK | FIRST_MASK)
#define CLOSING (UINT64_C(1) << (LIFE_AT - 2))
#define GIVEN (UINT64_C(1) << (LIFE_AT - 1))
#define LIFE_ONE (UINT64_C(1) << LIFE_AT)

struct fd_share {
    void *top[TOP_COUNT]; /* atomic, each set once, as are those of the second level */
};

struct fd_share *fd_share_new(void)
{
    return calloc(1, sizeof(struct fd_share));
}

void fd_share_free(struct fd_share *s)
{
    for (int i = 0; s && i < TOP_COUNT; i++) {
        void **level = s->top[i];

        for (int j = 0; level && j < LEVEL_COUNT; j++)
            free(level[j]);
        free(level);
    }
    free(s);
}

/* ---- words ---- */

static void *make_level(void **at, size_t each)
{
    void *made = calloc(LEVEL_COUNT, each), *there = NULL;

    if (made == NULL ||
        __atomic_compare_exchange_n(at, &there, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    free(made); /* another worker was first */
    return there;
}

/* NULL: never used; or, to be made, no memory. */
static uint64_t *word_of(struct fd_share *s, int fd, bool make)
{
    void **at = &s->top[(unsigned)fd >> 2 * LEVEL_BITS];
    void *level = __atomic_load_n(at, __ATOMIC_ACQUIRE);

    if (level == NULL && make)
        level = make_level(at, sizeof(void *));
    if (level == NULL)
        return NULL;
    at = (void **)level + ((unsigned)fd >> LEVEL_BITS) % LEVEL_COUNT;
    level = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    if (level == NULL && make)
        level = make_level(at, sizeof(uint64_t));
    return level ? (uint64_t *)level + (unsigned)fd % LEVEL_COUNT : NULL;
}

/* Of one that is in use, or was. */
static uint64_t *used(struct fd_share *s, int fd)
{
    uint64_t *word = word_of(s, fd, false);

    ASSERT(word != NULL);
    return word;
}

/* False: it has changed, and *old says to what. */
static bool put(uint64_t *word, uint64_t *old, uint64_t to)
{
    return __atomic_compare_exchange_n(word, old, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint64_t look(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint32_t life_of(uint64_t word)
{
    return (uint32_t)(word >> LIFE_AT);
}

static uint64_t next_life(uint64_t word)
{
    return (word & ~(CLOSING | GIVEN)) + LIFE_ONE;
}

static uint64_t first(unsigned worker)
{
    return (uint64_t)(worker + 1) << USER_BITS;
}

static uint64_t bit(unsigned worker)
{
    return UINT64_C(1) << worker % USER_BITS;
}

bool fd_users_has(uint64_t who, unsigned worker)
{
    return (who & FIRST_MASK) == first(worker) || who & bit(worker);
}

/* Where its bit is set though it is the first, that is another's. */
static uint64_t without(uint64_t word, unsigned worker)
{
    return (word & FIRST_MASK) == first(worker) ? word & ~FIRST_MASK : word;
}

/* ---- the number's ways ---- */

int fd_share_enter(struct fd_share *s, int fd, unsigned worker)
{
    uint64_t *word = word_of(s, fd, true), old, to;

    if (word == NULL)
        return -ENOMEM;
    old = look(word);
    do {
        if (old & CLOSING)
            return old & GIVEN ? -EAGAIN : -EBADF;
        to = old | (old & FIRST_MASK ? bit(worker) : first(worker));
    } while (!fd_users_has(old, worker) && !put(word, &old, to));
    return 0;
}

int fd_share_close(struct fd_share *s, int fd, unsigned worker, struct fd_users *out_others)
{
    uint64_t *word = used(s, fd), old = look(word);

    do {
        if (old & CLOSING)
            return -EBADF;
    } while (!put(word, &old, (old & ~USERS_MASK) | CLOSING));
    *out_others = (struct fd_users){without(old, worker) & USERS_MASK, life_of(old)};
    return 0;
}

void fd_share_given(struct fd_share *s, int fd, uint32_t life)
{
    uint64_t *word = used(s, fd), old = look(word);

    while (life_of(old) == life && old & CLOSING && !put(word, &old, old | GIVEN))
        ;
}

void fd_share_closed(struct fd_share *s, int fd, uint32_t life)
{
    uint64_t *word = used(s, fd), old = look(word);

    while (life_of(old) == life && old & CLOSING && !put(word, &old, next_life(old)))
        ;
}

uint32_t fd_share_life(struct fd_share *s, int fd)
{
    return life_of(look(used(s, fd)));
}

struct fd_users fd_share_fresh(struct fd_share *s, int fd, unsigned worker)
{
    uint64_t *word = word_of(s, fd, false), old, to;

    if (word == NULL)
        return (struct fd_users){0};
    old = look(word);
    do {
        if (!(old & (USERS_MASK | CLOSING)))
            return (struct fd_users){0};
        to = without(next_life(old), worker);
    } while (!put(word, &old, to));
    return (struct fd_users){to & USERS_MASK, life_of(to)};
}

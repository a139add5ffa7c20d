/* slab.h: objects of one size, newest freed first, out of chunks that are kept until the end.
 *
 * One thread, no locks. Invariant: every object is either lent or on the free list. Rejected:
 * malloc for records (two to three times the cost of a spawn's whole budget, and 16 bytes of
 * header on 64), and returning chunks (a runtime that once had a million records may have them
 * again; a chunk is rarely wholly free).
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

struct slab {
    size_t object_bytes; /* a multiple of 16 */
    void *free;          /* the first word of a free object points to the next one */
    void *chunks;        /* the first word of a chunk points to the next one */
};

void slab_init(struct slab *s, size_t object_bytes);
void *slab_grow(struct slab *s); /* a new chunk and its first object; NULL: no memory */
void slab_fini(struct slab *s);  /* all objects are gone, lent or not */

static inline void *slab_take(struct slab *s)
{
    void *object = s->free;

    if (__builtin_expect(object == NULL, 0))
        return slab_grow(s);
    s->free = *(void **)object;
    return object;
}

static inline void slab_give(struct slab *s, void *object)
{
    *(void **)object = s->free;
    s->free = object;
}

#endif

/* slab.c: growing and ending of slabs. See slab.h. */
#include "base/slab.h"

#include <stdlib.h>

#include "base/report.h"

enum { CHUNK_BYTES = 64 * 1024, CHUNK_HEAD = 64 };

void slab_init(struct slab *s, size_t object_bytes)
{
    ASSERT(object_bytes % 16 == 0 && object_bytes <= CHUNK_BYTES - CHUNK_HEAD);
    *s = (struct slab){.object_bytes = object_bytes};
}

void *slab_grow(struct slab *s)
{
    char *chunk = aligned_alloc(64, CHUNK_BYTES), *object;

    if (chunk == NULL)
        return NULL;
    *(void **)(void *)chunk = s->chunks;
    s->chunks = chunk;
    /* Strung from the end, so that objects are lent in the order of their addresses. */
    object = chunk + CHUNK_HEAD + (CHUNK_BYTES - CHUNK_HEAD) / s->object_bytes * s->object_bytes;
    while ((object -= s->object_bytes) >= chunk + CHUNK_HEAD) {
        *(void **)(void *)object = s->free;
        s->free = object;
    }
    return slab_take(s);
}

void slab_fini(struct slab *s)
{
    void *chunk = s->chunks, *next;

    for (; chunk; chunk = next) {
        next = *(void **)chunk;
        free(chunk);
    }
    *s = (struct slab){0};
}

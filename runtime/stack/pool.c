/* pool.c: arenas and pools of stacks. See stack.h for the layout and the promises.
 *
 * Chunks are mapped next to each other by the kernel, with equal flags, so that it merges them
 * into one mapping. A slot of 34 pages (64K of guard, 64K usable, two pages over for the head and
 * for alignment) costs 272 bytes of page table, where stacks 2 MiB apart cost 4 KiB. 33 pages would
 * do, but measured 25 % slower to switch around 1,000 tasks; 32 and 34 to 40 were alike.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/report.h"
#include "stack/stack.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

enum {
    PAGE = 4096,
    HEAD_ROOM = 2 * PAGE,
    CHUNK_SLOTS = 256,
    COLOURS = 32,    /* half a page of cache lines: the rest of the page is for head and frames */
    COLOUR_STEP = 3, /* what a switch touches of one task; neighbours do not share it */
    LINE = 64,
};

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static char *slot_base(const struct stack_pool *p, uint32_t slot)
{
    return p->chunks[slot / CHUNK_SLOTS] + (size_t)(slot % CHUNK_SLOTS) * p->slot_bytes;
}

static char *slot_low(const struct stack_pool *p, uint32_t slot)
{
    return slot_base(p, slot) + STACK_GUARD_BYTES;
}

static struct stack *slot_head(const struct stack_pool *p, uint32_t slot)
{
    size_t colour = (size_t)(slot * COLOUR_STEP % COLOURS) * LINE;
    char *top = slot_base(p, slot) + p->slot_bytes;

    return (struct stack *)(void *)(top - colour - round_up(p->arena->head_bytes, LINE));
}

static int guard_install(enum stack_guard guard, char *at)
{
    if (guard == STACK_GUARD_MADVISE)
        return madvise(at, STACK_GUARD_BYTES, MADV_GUARD_INSTALL) == 0 ? 0 : -errno;
    return mprotect(at, STACK_GUARD_BYTES, PROT_NONE) == 0 ? 0 : -errno;
}

/* It must be seen to work: qemu's user mode says 0 to each advice, and does nothing. */
static bool guard_madvise_works(void)
{
    void *probe = mmap(NULL, STACK_GUARD_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool works;

    if (probe == MAP_FAILED)
        return false;
    works = guard_install(STACK_GUARD_MADVISE, probe) == 0 &&
            madvise(probe, STACK_GUARD_BYTES, MADV_POPULATE_READ) < 0 && errno == EFAULT;
    munmap(probe, STACK_GUARD_BYTES);
    return works;
}

/* Each of our guards makes two mappings of one; a sixteenth is left to the rest of the process. */
static size_t guards_by_mapping(void)
{
    size_t most = 65530; /* the kernel's own default */
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");

    if (file) {
        if (fscanf(file, "%zu", &most) != 1)
            most = 65530;
        fclose(file);
    }
    return (most - most / 16) / 2;
}

int stack_arena_init(struct stack_arena *a, size_t head_bytes, enum stack_guard guard, bool wipe)
{
    *a = (struct stack_arena){.head_bytes = head_bytes, .guard = guard, .wipe = wipe};
    ASSERT(head_bytes <= PAGE / 4);
    if (guard != STACK_GUARD_MPROTECT) {
        bool works = guard_madvise_works();

        if (guard == STACK_GUARD_MADVISE && !works)
            return -ENOTSUP;
        a->guard = works ? STACK_GUARD_MADVISE : STACK_GUARD_MPROTECT;
    }
    a->guards_left = a->guard == STACK_GUARD_MPROTECT ? guards_by_mapping() : SIZE_MAX;
    return 0;
}

static void pool_fini(struct stack_pool *p)
{
    for (uint32_t slot = 0; slot < p->made; slot++) {
        struct stack *head = slot_head(p, slot);

        sanitize_unmade(slot_low(p, slot), (char *)head, &head->sanitizer);
    }
    for (uint32_t i = 0; i < p->chunk_count; i++)
        munmap(p->chunks[i], CHUNK_SLOTS * p->slot_bytes);
    free(p->chunks);
    free(p->free);
}

size_t stack_lent(const struct stack_arena *a)
{
    size_t lent = 0;

    for (int i = 0; i < STACK_CLASSES; i++)
        lent += a->pools[i].made - a->pools[i].free_count;
    return lent;
}

void stack_arena_fini(struct stack_arena *a)
{
    for (int i = 0; i < STACK_CLASSES; i++)
        if (a->pools[i].slot_bytes)
            pool_fini(&a->pools[i]);
    *a = (struct stack_arena){0};
}

struct stack_pool *stack_pool_for(struct stack_arena *a, size_t bytes)
{
    size_t usable = STACK_BYTES_MIN;
    int i = 0;

    for (; usable < bytes; usable *= 2)
        if (++i == STACK_CLASSES)
            return NULL;
    if (a->pools[i].slot_bytes == 0)
        a->pools[i] = (struct stack_pool){
            .arena = a,
            .usable_bytes = usable,
            .slot_bytes = STACK_GUARD_BYTES + usable + HEAD_ROOM,
        };
    return &a->pools[i];
}

struct stack_pool *stack_pool_of_class(struct stack_arena *a, unsigned index)
{
    return stack_pool_for(a, (size_t)STACK_BYTES_MIN << index);
}

static bool add_chunk(struct stack_pool *p)
{
    size_t bytes = CHUNK_SLOTS * p->slot_bytes;
    char **chunks = realloc(p->chunks, (p->chunk_count + 1) * sizeof *chunks);
    char *chunk;

    if (chunks == NULL)
        return false;
    p->chunks = chunks;
    chunk = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (chunk == MAP_FAILED)
        return false;
    /* A huge page would make each stack 2 MiB of memory; without the call the kernel decides. */
    madvise(chunk, bytes, MADV_NOHUGEPAGE);
    p->chunks[p->chunk_count++] = chunk;
    return true;
}

/* The free array has room for every slot there is, so that giving back cannot fail. */
static bool make_room(struct stack_pool *p)
{
    uint32_t room = p->free_room ? p->free_room * 2 : CHUNK_SLOTS;
    union stack_free *entries;

    if (p->made < p->free_room)
        return true;
    entries = realloc(p->free, room * sizeof *entries);
    if (entries == NULL)
        return false;
    p->free = entries;
    p->free_room = room;
    return true;
}

/* One more slot, free and cold. */
static bool make_slot(struct stack_pool *p)
{
    if (!make_room(p))
        return false;
    if (p->made == p->chunk_count * CHUNK_SLOTS && !add_chunk(p))
        return false;
    if (p->arena->guards_left == 0 || guard_install(p->arena->guard, slot_base(p, p->made)) < 0)
        return false;
    p->arena->guards_left--;
    sanitize_made(slot_low(p, p->made), (char *)slot_head(p, p->made));
    ASSERT(p->free_count == 0);
    p->free[p->free_count++].slot = p->made++;
    p->cold = p->free_low = 1;
    return true;
}

/* Gives the pages back: those below the one with the head, or all. */
static void empty(struct stack_pool *p, struct stack *head, bool with_head)
{
    char *low = slot_low(p, head->slot), *end = slot_base(p, head->slot) + p->slot_bytes;

    if (!with_head || STACK_SANITIZED)
        end = (char *)((uintptr_t)head / PAGE * PAGE);
    madvise(low, (size_t)(end - low), MADV_DONTNEED);
}

/* What an earlier task left, all of it (hazard 47). On taking and not on giving back, because
 * the one who gives is still running there. */
static void wipe(struct stack_pool *p, struct stack *head)
{
    char *page = (char *)((uintptr_t)head / PAGE * PAGE);

    empty(p, head, false);
    memset(page, 0, (size_t)((char *)head - page));
}

/* None is free, or the next one may be cold, or something must be done to each. */
struct stack *stack_take_slowly(struct stack_pool *p)
{
    struct stack *s;
    bool dirty = false;

    if (p->free_count == 0 && !make_slot(p)) {
        p->exhausted = true;
        return NULL;
    }
    if (--p->free_count < p->free_low)
        p->free_low = p->free_count;
    if (p->free_count < p->cold) {
        uint32_t slot = p->free[p->free_count].slot;

        p->cold = p->free_count;
        s = slot_head(p, slot);
        s->slot = slot;
        s->low = slot_low(p, slot);
        s->pool = p;
    } else {
        s = p->free[p->free_count].head;
        dirty = true;
    }
    if (p->arena->wipe && (dirty || STACK_SANITIZED)) /* whose cold stacks keep the head's page */
        wipe(p, s);
    sanitize_lent(s->low, (char *)s, &s->sanitizer);
    return s;
}

bool stack_recovers(struct stack_pool *p)
{
    p->exhausted = p->free_count == 0 && !make_slot(p);
    return !p->exhausted;
}

bool stack_trim(struct stack_arena *a, unsigned most)
{
    for (int i = 0; i < STACK_CLASSES; i++) {
        struct stack_pool *p = &a->pools[i];

        for (; p->cold < p->free_low; p->cold++) {
            if (most-- == 0)
                return true;
            uint32_t slot = p->free[p->cold].head->slot;

            empty(p, p->free[p->cold].head, true);
            p->free[p->cold].slot = slot;
        }
    }
    for (int i = 0; i < STACK_CLASSES; i++) /* when all is done: the next call may go on here */
        a->pools[i].free_low = a->pools[i].free_count;
    return false;
}

bool stack_warm(const struct stack_arena *a)
{
    for (int i = 0; i < STACK_CLASSES; i++)
        if (a->pools[i].cold < a->pools[i].free_count)
            return true;
    return false;
}

struct stack *stack_each(struct stack_arena *a, uint64_t *at)
{
    for (; *at >> 32 < STACK_CLASSES; *at = ((*at >> 32) + 1) << 32) {
        struct stack_pool *p = &a->pools[*at >> 32];
        uint32_t slot = (uint32_t)*at;

        if (slot < p->made) {
            ++*at;
            return slot_head(p, slot);
        }
    }
    return NULL;
}

static struct stack *find_in_pool(struct stack_pool *p, const char *address, bool *in_guard)
{
    for (uint32_t i = 0; i < p->chunk_count; i++) {
        size_t offset = (size_t)(address - p->chunks[i]);
        uint32_t slot;

        if (address < p->chunks[i] || offset >= CHUNK_SLOTS * p->slot_bytes)
            continue;
        slot = i * CHUNK_SLOTS + (uint32_t)(offset / p->slot_bytes);
        if (slot >= p->made)
            return NULL;
        *in_guard = offset % p->slot_bytes < STACK_GUARD_BYTES;
        return slot_head(p, slot);
    }
    return NULL;
}

struct stack *stack_find(struct stack_arena *a, const void *address, bool *in_guard)
{
    struct stack *s = NULL;

    for (int i = 0; i < STACK_CLASSES && s == NULL; i++)
        if (a->pools[i].slot_bytes)
            s = find_in_pool(&a->pools[i], address, in_guard);
    return s;
}

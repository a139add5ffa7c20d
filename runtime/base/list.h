/* list.h: doubly linked, intrusive, circular. A link that is in no list points to itself, so
 * that taking it out twice is harmless and asking whether it is in one is cheap.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *prev;
};

#define CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct link *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct link *l)
{
    return l->next == l;
}

static inline void list_push_back(struct link *head, struct link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void list_push_front(struct link *head, struct link *l)
{
    list_push_back(head->next, l);
}

/* For a link that will not be asked again whether it is in a list. */
static inline void list_remove_fast(struct link *l)
{
    l->next->prev = l->prev;
    l->prev->next = l->next;
}

static inline void list_remove(struct link *l)
{
    list_remove_fast(l);
    list_init(l);
}

/* All of `from`, in its order, before what is in `to`. */
static inline void list_splice_front(struct link *to, struct link *from)
{
    if (list_empty(from))
        return;
    from->prev->next = to->next;
    to->next->prev = from->prev;
    to->next = from->next;
    from->next->prev = to;
    list_init(from);
}

static inline struct link *list_pop_front(struct link *head)
{
    struct link *l = head->next;

    if (l == head)
        return NULL;
    list_remove(l);
    return l;
}

#endif

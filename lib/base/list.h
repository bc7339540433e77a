/*
 * base/list - intrusive doubly linked lists.
 *
 * struct list is both the head and the link inside an element. A zeroed head
 * must be made with list_init; a zeroed link is "in no list".
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/base.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline bool list_is_linked(const struct list *link)
{
	return link->next != NULL && link->next != link;
}

static inline void list_insert_before(struct list *at, struct list *link)
{
	link->next = at;
	link->prev = at->prev;
	at->prev->next = link;
	at->prev = link;
}

/* At the end, at the front. */
static inline void list_append(struct list *list, struct list *link)
{
	list_insert_before(list, link);
}

static inline void list_prepend(struct list *list, struct list *link)
{
	list_insert_before(list->next, link);
}

/* Out of the list it is in; fine for a link in no list. */
static inline void list_remove(struct list *link)
{
	if (!link->next)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

static inline struct list *list_first(struct list *list)
{
	return list_is_empty(list) ? NULL : list->next;
}

/* The first element's link, removed; NULL if there is none. */
static inline struct list *list_shift(struct list *list)
{
	struct list *link = list_first(list);

	if (link)
		list_remove(link);
	return link;
}

/* The body may remove the element it is at. */
#define list_each(at, head) \
	for (struct list *at = (head)->next, *at##_next = at->next; \
		at != (head); at = at##_next, at##_next = at->next)

#endif

#include "imap/thread.h"

#include <stdlib.h>


enum {
	NONE = UINT32_MAX,
	CHAIN_MOST = 10000, /* steps in search of a loop; more is one */
};

/* A message, or one that others refer to and that is not there. Nodes are
 * named by their number; node 0 is the root. */
struct node {
	uint32_t parent, first, last, next, before; /* NONE: none */
	uint32_t item;                              /* NONE: a dummy */
	int64_t date;                               /* among its siblings */
	uint32_t order;
};

struct forest {
	struct arena *arena;
	const struct imap_thread_item *items;
	size_t item_count;
	struct node *nodes;
	size_t count, capacity;
	uint32_t *ids; /* of an id: its node, plus 1 */
	size_t subject_count;
};

struct imap_thread_names imap_thread_names_new(void)
{
	return (struct imap_thread_names){ intern_new(), intern_new() };
}

void imap_thread_names_free(struct imap_thread_names *names)
{
	intern_free(names->ids);
	intern_free(names->subjects);
	*names = (struct imap_thread_names){ 0 };
}

static size_t count_lines(struct str text)
{
	size_t count = 0;

	while (text.len > 0) {
		str_take_until(&text, '\n');
		count++;
	}
	return count;
}

void imap_thread_facts_of(struct arena *arena,
	struct imap_thread_names *names, const struct imap_digest *digest,
	struct imap_thread_facts *facts)
{
	struct str rest = digest->texts[IMAP_DIGEST_REFERENCES];
	size_t most = count_lines(rest);
	uint32_t *refs = most ? arena_array(arena, most, sizeof(*refs)) : NULL;

	*facts = (struct imap_thread_facts){
		.sent_s = digest->sent_s,
		.is_reply = digest->is_reply,
		.id = intern_number(names->ids,
			digest->texts[IMAP_DIGEST_ID]),
		.subject = intern_number(names->subjects,
			digest->texts[IMAP_DIGEST_SUBJECT]),
		.refs = refs,
	};
	while (rest.len > 0) {
		uint32_t id = intern_number(names->ids,
			str_take_until(&rest, '\n'));

		if (id)
			refs[facts->ref_count++] = id;
	}
}

static int64_t sent(const struct imap_thread_item *item)
{
	return item->of->sent_s == IMAP_NOT_SENT ? item->arrived_s :
						   item->of->sent_s;
}

/* For a node of each id, and of each message that has none; at once, since
 * memory that was never touched is what takes the time. */
static void make_room(struct forest *f, size_t ids)
{
	size_t most = ids + 1;

	for (size_t i = 0; i < f->item_count; i++)
		most += f->items[i].of->id == 0;
	if (most > 2 * f->item_count)
		return; /* few of many are asked for */
	f->nodes = arena_array(f->arena, most, sizeof(*f->nodes));
	f->capacity = most;
}

static uint32_t new_node(struct forest *f, uint32_t item)
{
	arena_grow(f->arena, &f->nodes, &f->capacity, f->count + 1,
		sizeof(*f->nodes));
	f->nodes[f->count] = (struct node){ .parent = NONE, .first = NONE,
		.last = NONE, .next = NONE, .before = NONE, .item = item };
	return (uint32_t)f->count++;
}

static void unlink_node(struct forest *f, uint32_t n)
{
	struct node *node = &f->nodes[n];

	if (node->parent == NONE)
		return;
	if (node->before == NONE)
		f->nodes[node->parent].first = node->next;
	else
		f->nodes[node->before].next = node->next;
	if (node->next == NONE)
		f->nodes[node->parent].last = node->before;
	else
		f->nodes[node->next].before = node->before;
	node->parent = node->next = node->before = NONE;
}

/* As the last child. */
static void link_node(struct forest *f, uint32_t parent, uint32_t n)
{
	struct node *node = &f->nodes[n], *p = &f->nodes[parent];

	unlink_node(f, n);
	node->parent = parent;
	node->before = p->last;
	if (p->last == NONE)
		p->first = n;
	else
		f->nodes[p->last].next = n;
	p->last = n;
}

/* Would n become its own ancestor below `parent`? */
static bool is_loop(const struct forest *f, uint32_t parent, uint32_t n)
{
	for (size_t i = 0; parent != NONE; i++) {
		if (parent == n || i > CHAIN_MOST)
			return true;
		parent = f->nodes[parent].parent;
	}
	return false;
}

/* ---- step 1: who refers to whom ---- */

static uint32_t node_of_id(struct forest *f, uint32_t id)
{
	if (f->ids[id] == 0)
		f->ids[id] = new_node(f, NONE) + 1;
	return f->ids[id] - 1;
}

/* A second message of the same id gets a node of its own. */
static uint32_t node_of_item(struct forest *f, uint32_t item)
{
	uint32_t id = f->items[item].of->id;
	uint32_t n;

	if (id == 0)
		return new_node(f, item);
	n = node_of_id(f, id);
	if (f->nodes[n].item != NONE)
		return new_node(f, item);
	f->nodes[n].item = item;
	return n;
}

static void link_references(struct forest *f, uint32_t item)
{
	const struct imap_thread_facts *of = f->items[item].of;
	uint32_t n = node_of_item(f, item), last = NONE;

	for (uint32_t i = 0; i < of->ref_count; i++) {
		uint32_t ref = node_of_id(f, of->refs[i]);

		if (last != NONE && f->nodes[ref].parent == NONE &&
			!is_loop(f, last, ref))
			link_node(f, last, ref);
		last = ref;
	}
	if (last == NONE) {
		unlink_node(f, n);
		return;
	}
	if (!is_loop(f, last, n))
		link_node(f, last, n);
}

/* ---- steps 2 and 3: roots, and dummies out ---- */

static void gather_roots(struct forest *f)
{
	for (uint32_t n = 1; n < f->count; n++)
		if (f->nodes[n].parent == NONE)
			link_node(f, 0, n);
}

/* The children of a node take its place. */
static void replace_by_children(struct forest *f, uint32_t n)
{
	uint32_t parent = f->nodes[n].parent;

	while (f->nodes[n].first != NONE)
		link_node(f, parent, f->nodes[n].first);
	unlink_node(f, n);
}

static bool has_one_child(const struct forest *f, uint32_t n)
{
	return f->nodes[n].first != NONE &&
		f->nodes[n].first == f->nodes[n].last;
}

static void prune(struct forest *f)
{
	for (uint32_t n = 1; n < f->count; n++)
		if (f->nodes[n].item == NONE && f->nodes[n].parent != 0)
			replace_by_children(f, n);
	for (uint32_t n = 1; n < f->count; n++)
		if (f->nodes[n].item == NONE && f->nodes[n].parent == 0 &&
			(f->nodes[n].first == NONE || has_one_child(f, n)))
			replace_by_children(f, n);
}

/* ---- steps 4 and 6: in order of their dates ---- */

struct sibling {
	int64_t date;
	uint32_t order, n;
};

static int by_date(const void *a, const void *b)
{
	const struct sibling *x = a, *y = b;

	if (x->date != y->date)
		return x->date < y->date ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool is_later(const struct node *a, const struct node *b)
{
	return a->date != b->date ? a->date > b->date : a->order > b->order;
}

static void sort_children(struct forest *f, uint32_t n)
{
	uint32_t before = f->nodes[n].first;
	struct sibling *all;
	size_t count = 0, i = 0;
	bool sorted = true;

	for (uint32_t c = before; c != NONE; c = f->nodes[c].next) {
		sorted = sorted && !is_later(&f->nodes[before], &f->nodes[c]);
		before = c;
		count++;
	}
	if (sorted)
		return;
	all = arena_array(f->arena, count, sizeof(*all));
	for (uint32_t c = f->nodes[n].first; c != NONE; c = f->nodes[c].next)
		all[i++] = (struct sibling){ f->nodes[c].date,
			f->nodes[c].order, c };
	qsort(all, count, sizeof(*all), by_date);
	for (i = 0; i < count; i++)
		link_node(f, n, all[i].n);
}

/* Those that are made later are dummies. */
static void date_all(struct forest *f)
{
	for (uint32_t n = 1; n < f->count; n++) {
		struct node *node = &f->nodes[n];

		if (node->item == NONE)
			continue;
		node->date = sent(&f->items[node->item]);
		node->order = node->item;
	}
}

static void sort_all(struct forest *f)
{
	for (uint32_t n = 1; n < f->count; n++)
		sort_children(f, n);
	/* A dummy stands where its first child would. */
	for (uint32_t n = f->nodes[0].first; n != NONE; n = f->nodes[n].next) {
		uint32_t first = f->nodes[n].first;

		if (f->nodes[n].item != NONE || first == NONE)
			continue;
		f->nodes[n].date = f->nodes[first].date;
		f->nodes[n].order = f->nodes[first].order;
	}
	sort_children(f, 0);
}

/* ---- step 5: threads of the same subject ---- */

/* The message that says a root's subject. */
static const struct imap_thread_facts *subject_of(const struct forest *f,
	uint32_t n)
{
	if (f->nodes[n].item == NONE)
		n = f->nodes[n].first;
	return f->items[f->nodes[n].item].of;
}

/* The roots as they are now: linking changes the list. */
static uint32_t *roots_of(struct forest *f, size_t *count)
{
	uint32_t *roots = arena_array(f->arena, f->count, sizeof(*roots));

	*count = 0;
	for (uint32_t n = f->nodes[0].first; n != NONE; n = f->nodes[n].next)
		roots[(*count)++] = n;
	return roots;
}

/* subjects: of each its root, plus 1. */
static void note_subject(struct forest *f, uint32_t *subjects, uint32_t n)
{
	const struct imap_thread_facts *of = subject_of(f, n);
	uint32_t at = subjects[of->subject], there = at - 1;

	if (of->subject == 0)
		return;
	if (at && !(f->nodes[n].item == NONE && f->nodes[there].item != NONE)) {
		if (f->nodes[there].item == NONE ||
			!subject_of(f, there)->is_reply || of->is_reply)
			return;
	}
	subjects[of->subject] = n + 1;
}

static void join(struct forest *f, uint32_t *at, uint32_t n)
{
	uint32_t there = *at - 1, both;
	bool dummy = f->nodes[n].item == NONE;
	bool there_dummy = f->nodes[there].item == NONE;

	if (dummy && there_dummy) {
		while (f->nodes[n].first != NONE)
			link_node(f, there, f->nodes[n].first);
		unlink_node(f, n);
	} else if (there_dummy) {
		link_node(f, there, n);
	} else if (!dummy && subject_of(f, n)->is_reply &&
		!subject_of(f, there)->is_reply) {
		link_node(f, there, n);
	} else {
		both = new_node(f, NONE);
		link_node(f, 0, both);
		link_node(f, both, there);
		link_node(f, both, n);
		*at = both + 1;
	}
}

static uint32_t *no_subjects(struct forest *f)
{
	return arena_array(f->arena, f->subject_count + 1, sizeof(uint32_t));
}

static void join_subjects(struct forest *f)
{
	uint32_t *subjects = no_subjects(f);
	size_t count;
	uint32_t *roots = roots_of(f, &count);

	for (size_t i = 0; i < count; i++)
		note_subject(f, subjects, roots[i]);
	for (size_t i = 0; i < count; i++) {
		uint32_t subject = subject_of(f, roots[i])->subject;
		uint32_t at = subjects[subject];

		if (subject && at && at - 1 != roots[i])
			join(f, &subjects[subject], roots[i]);
	}
}

/* ---- REFS: newest arrival last ---- */

/* The next node below `root`, from n on; NONE: n was the last. */
static uint32_t next_below(const struct forest *f, uint32_t root, uint32_t n)
{
	if (f->nodes[n].first != NONE)
		return f->nodes[n].first;
	while (n != root && f->nodes[n].next == NONE)
		n = f->nodes[n].parent;
	return n == root ? NONE : f->nodes[n].next;
}

static void date_roots_by_arrival(struct forest *f)
{
	for (uint32_t root = f->nodes[0].first; root != NONE;
		root = f->nodes[root].next) {
		int64_t newest = INT64_MIN;

		for (uint32_t n = root; n != NONE;
			n = next_below(f, root, n)) {
			uint32_t item = f->nodes[n].item;

			if (item != NONE && f->items[item].arrived_s > newest)
				newest = f->items[item].arrived_s;
		}
		f->nodes[root].date = newest;
	}
	sort_children(f, 0);
}

/* ---- ORDEREDSUBJECT ---- */

static void order_subjects(struct forest *f)
{
	uint32_t *subjects = no_subjects(f);

	/* In order of dates first, so that the first of each is its root. */
	for (uint32_t i = 0; i < f->item_count; i++)
		link_node(f, 0, new_node(f, i));
	date_all(f);
	sort_all(f);
	for (uint32_t n = f->nodes[0].first, next; n != NONE; n = next) {
		uint32_t *at = &subjects[subject_of(f, n)->subject];

		next = f->nodes[n].next;
		if (*at)
			link_node(f, *at - 1, n);
		else
			*at = n + 1;
	}
}

/* ---- writing ---- */

/*
 * Without recursion: a thread may be as deep as there are messages. A child
 * that has siblings stands in parentheses, and so does a root.
 */
static void write_thread(struct forest *f, struct buf *out, uint32_t root)
{
	uint32_t n = root;
	bool down = true;

	for (;;) {
		struct node *node = &f->nodes[n];
		uint32_t parent = node->parent;
		bool alone = n != root && has_one_child(f, parent);

		if (down) {
			if (!alone)
				buf_char(out, '(');
			else if (f->nodes[parent].item != NONE)
				buf_char(out, ' ');
			if (node->item != NONE)
				buf_u64(out, f->items[node->item].number);
			if (node->first != NONE) {
				if (node->item != NONE &&
					!has_one_child(f, n))
					buf_char(out, ' ');
				n = node->first;
				continue;
			}
		}
		if (!alone)
			buf_char(out, ')');
		if (n == root)
			return;
		down = node->next != NONE;
		n = down ? node->next : parent;
	}
}

void imap_thread_format(struct arena *arena, struct buf *out,
	enum imap_thread_kind kind, const struct imap_thread_item *items,
	size_t count, const struct imap_thread_names *names)
{
	struct forest f = { .arena = arena_child(arena), .items = items,
		.item_count = count,
		.subject_count = intern_count(names->subjects) };

	make_room(&f, intern_count(names->ids));
	new_node(&f, NONE); /* the root */
	f.ids = arena_array(f.arena, intern_count(names->ids) + (size_t)1,
		sizeof(*f.ids));
	if (kind == IMAP_THREAD_ORDEREDSUBJECT) {
		order_subjects(&f);
	} else {
		for (uint32_t i = 0; i < count; i++)
			link_references(&f, i);
		gather_roots(&f);
		prune(&f);
		date_all(&f);
		if (kind == IMAP_THREAD_REFERENCES) {
			sort_all(&f);
			join_subjects(&f);
		}
		sort_all(&f);
		if (kind == IMAP_THREAD_REFS)
			date_roots_by_arrival(&f);
	}
	for (uint32_t n = f.nodes[0].first; n != NONE; n = f.nodes[n].next)
		write_thread(&f, out, n);
	arena_free(f.arena);
}

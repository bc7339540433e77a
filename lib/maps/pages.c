#include "maps/pages.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

enum {
	HEADER = 16, /* of a page */
	NODE = 8,    /* of a node, before its key */
	ROW = 48,    /* what is said of a database */
	MAGIC_AT = HEADER, VERSION_AT = HEADER + 4, FREE_AT = HEADER + 24,
	MAIN_AT = FREE_AT + ROW, LAST_AT = MAIN_AT + ROW,
	NUMBER_AT = LAST_AT + 8, META_END = NUMBER_AT + 8,
	PAGE_LEAST = 512, PAGE_MOST = 32768,
	KEY_MOST = 511,
	DEPTH_MOST = 32,
};

#define MAGIC 0xBEEFC0DEu
#define NO_PAGE UINT64_MAX

enum page_kind {
	BRANCH = 1,
	LEAF = 2,
	OVERFLOW = 4,
};

enum node_flags {
	BIG = 1,      /* the value is on overflow pages */
	DATABASE = 2, /* the value says where another database is */
};

enum tree_kind {
	FREE_PAGES, /* transaction -> pages that it gave back */
	MAIN,       /* may name others */
	NAMED,
};

struct tree {
	enum tree_kind kind;
	unsigned depth; /* of its leaves */
};

struct check {
	struct str file;
	size_t page_octets;
	uint64_t pages; /* all numbers are less */
	unsigned char *used; /* a bit for each */
	uint16_t *sizes; /* of a page's nodes, by their place / 2 */
	const char *wrong; /* the first thing */
};

static uint16_t u16(const char *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static uint32_t u32(const char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static uint64_t u64(const char *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static bool say(struct check *c, const char *wrong)
{
	c->wrong = wrong;
	return false;
}

/* Pages from `number` on, which nothing else may be on. */
static bool use(struct check *c, uint64_t number, uint64_t count)
{
	if (number < 2 || number >= c->pages || count > c->pages - number)
		return say(c, "a page number is out of range");
	for (uint64_t i = number; i < number + count; i++) {
		unsigned char bit = (unsigned char)(1u << (i & 7));

		if (c->used[i / 8] & bit)
			return say(c, "a page is used twice");
		c->used[i / 8] |= bit;
	}
	return true;
}

/* The first of `count` pages; NULL: it is not what it should be. */
static const char *page_at(struct check *c, uint64_t number)
{
	const char *page;

	if (number >= c->file.len / c->page_octets) {
		c->wrong = "a page is beyond the end of the file";
		return NULL;
	}
	page = c->file.p + number * c->page_octets;
	if (u64(page) != number) {
		c->wrong = "a page has another's number";
		return NULL;
	}
	return page;
}

/* ---- values ---- */

static bool check_big(struct check *c, const char *at, size_t len,
	struct str *value)
{
	uint64_t number = u64(at);
	uint64_t count = (HEADER + len + c->page_octets - 1) / c->page_octets;
	const char *page;

	if (!use(c, number, count))
		return false;
	page = page_at(c, number);
	if (!page)
		return false;
	if (u16(page + 10) != OVERFLOW || u32(page + 12) != count ||
		number + count > c->file.len / c->page_octets)
		return say(c, "a large value is not whole");
	*value = str_of(page + HEADER, len);
	return true;
}

/* A count, and so many page numbers, which fall. */
static bool check_free(struct check *c, struct str value)
{
	uint64_t before = c->pages, count;

	if (value.len < 8 || value.len % 8 != 0)
		return say(c, "a list of free pages is not whole");
	count = u64(value.p);
	if (count > value.len / 8 - 1)
		return say(c, "a list of free pages is not whole");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t number = u64(value.p + 8 * i);

		if (number >= before || !use(c, number, 1))
			return say(c, "a free page is not free");
		before = number;
	}
	return true;
}

static bool check_tree(struct check *c, const char *row, enum tree_kind kind);

static bool check_value(struct check *c, const struct tree *tree,
	const char *node, size_t len)
{
	const char *at = node + NODE + u16(node + 6);
	struct str value = str_of(at, len);
	unsigned flags = u16(node + 4);

	if ((flags & BIG) && !check_big(c, at, len, &value))
		return false;
	if (tree->kind == FREE_PAGES)
		return check_free(c, value);
	if (!(flags & DATABASE))
		return true;
	if (tree->kind != MAIN || flags != DATABASE || len != ROW)
		return say(c, "a database is where none may be");
	return check_tree(c, value.p, NAMED);
}

/* ---- pages ---- */

static size_t even(size_t n)
{
	return (n + 1) & ~(size_t)1;
}

/* Octets of the node that begins at `at`; 0: it is malformed. */
static size_t node_octets(const struct check *c, const struct tree *tree,
	const char *page, size_t at, bool is_leaf)
{
	const char *node = page + at;
	size_t room = c->page_octets - at, octets;
	unsigned flags = u16(node + 4), key = u16(node + 6);
	size_t len = u16(node) | (size_t)u16(node + 2) << 16;

	octets = NODE + key;
	if (is_leaf) {
		octets += flags & BIG ? 8 : len;
		if ((flags & ~(unsigned)(BIG | DATABASE)) || key == 0 ||
			(tree->kind == FREE_PAGES && key != 8))
			return 0;
	}
	return key <= KEY_MOST && octets <= room ? even(octets) : 0;
}

/* The nodes fill the page's end without a gap: the library moves them so. */
static bool check_nodes(struct check *c, const struct tree *tree,
	const char *page, size_t count, bool is_leaf)
{
	size_t upper = u16(page + 14), end = c->page_octets, found = 0;

	memset(c->sizes, 0, c->page_octets);
	for (size_t i = 0; i < count; i++) {
		size_t at = u16(page + HEADER + 2 * i);

		if (at < upper || at % 2 != 0 || at + NODE > end)
			return say(c, "a node is out of its page");
		c->sizes[at / 2] = (uint16_t)node_octets(c, tree, page, at,
			is_leaf);
		if (c->sizes[at / 2] == 0)
			return say(c, "a node is malformed");
	}
	for (size_t at = upper; at < end; at += c->sizes[at / 2]) {
		if (c->sizes[at / 2] == 0 || ++found > count)
			return say(c, "nodes overlap");
	}
	return found == count || say(c, "nodes overlap");
}

static bool check_page(struct check *c, const struct tree *tree,
	uint64_t number, unsigned depth);

static bool check_below(struct check *c, const struct tree *tree,
	const char *node, unsigned depth, bool is_leaf)
{
	uint64_t low = u16(node) | (uint64_t)u16(node + 2) << 16;

	if (is_leaf)
		return check_value(c, tree, node, (size_t)low);
	return check_page(c, tree, low | (uint64_t)u16(node + 4) << 32,
		depth + 1);
}

static bool check_page(struct check *c, const struct tree *tree,
	uint64_t number, unsigned depth)
{
	const char *page;
	size_t lower, upper, count;
	bool is_leaf = depth == tree->depth;

	if (!use(c, number, 1))
		return false;
	page = page_at(c, number);
	if (!page)
		return false;
	if (u16(page + 10) != (is_leaf ? LEAF : BRANCH))
		return say(c, "a page is of another kind");
	lower = u16(page + 12);
	upper = u16(page + 14);
	if (lower < HEADER || lower % 2 != 0 || upper < lower ||
		upper > c->page_octets)
		return say(c, "the head of a page is malformed");
	count = (lower - HEADER) / 2;
	/* With one child the library gives up, unless pages are free. */
	if (count < (is_leaf || tree->kind == FREE_PAGES ? 1 : 2))
		return say(c, "a page is empty");
	if (!check_nodes(c, tree, page, count, is_leaf))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!check_below(c, tree,
			    page + u16(page + HEADER + 2 * i), depth, is_leaf))
			return false;
	return true;
}

static bool check_tree(struct check *c, const char *row, enum tree_kind kind)
{
	/* Those of free pages have numbers as keys, and the environment's
	 * flags behind that. */
	unsigned flags = u16(row + 4) & (kind == FREE_PAGES ? 0x7f : 0xffff);
	struct tree tree = { .kind = kind, .depth = u16(row + 6) };
	uint64_t root = u64(row + 40);

	if (flags != (kind == FREE_PAGES ? 8 : 0))
		return say(c, "a database is of another kind");
	if (root == NO_PAGE)
		return true;
	if (tree.depth < 1 || tree.depth > DEPTH_MOST)
		return say(c, "a database is too deep");
	return check_page(c, &tree, root, 1);
}

/* ---- the file ---- */

static bool is_meta(const char *page)
{
	return u32(page + MAGIC_AT) == MAGIC && u32(page + VERSION_AT) == 1 &&
		u16(page + 10) == 8;
}

/* The newest of the two; NULL: none. */
static const char *find_meta(struct check *c)
{
	const char *first = c->file.p, *second;
	size_t size;

	if (c->file.len < PAGE_LEAST * 2 || !is_meta(first))
		return NULL;
	size = u32(first + FREE_AT);
	if (size < PAGE_LEAST || size > PAGE_MOST || (size & (size - 1)) ||
		c->file.len < 2 * size)
		return NULL;
	c->page_octets = size;
	second = first + size;
	if (!is_meta(second) || u32(second + FREE_AT) != size)
		return NULL;
	return u64(second + NUMBER_AT) > u64(first + NUMBER_AT) ? second
								: first;
}

static void check(struct check *c)
{
	const char *meta = find_meta(c);
	uint64_t last;

	if (!meta) {
		c->wrong = "its first pages are malformed";
		return;
	}
	last = u64(meta + LAST_AT);
	if ((u64(meta + NUMBER_AT) & 1) != (meta != c->file.p) || last < 1 ||
		last > c->file.len * 8) { /* beyond the file none is in use */
		c->wrong = "its first pages are malformed";
		return;
	}
	c->pages = last + 1;
	c->used = mem_new(c->pages / 8 + 1, 1);
	c->sizes = mem_new(c->page_octets / 2, sizeof(*c->sizes));
	if (check_tree(c, meta + FREE_AT, FREE_PAGES))
		check_tree(c, meta + MAIN_AT, MAIN);
	free(c->used);
	free(c->sizes);
}

const char *pages_wrong(struct str file)
{
	struct check c = { .file = file };

	if (file.len > 0)
		check(&c);
	return c.wrong;
}

const char *pages_wrong_file(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *wrong;
	struct stat st;
	void *p;

	if (fd < 0 || !fd_stat(fd, &st) || st.st_size == 0)
		return NULL;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	wrong = pages_wrong(str_of(p, (size_t)st.st_size));
	munmap(p, (size_t)st.st_size);
	return wrong;
}

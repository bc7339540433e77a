/*
 * torture/check_store - is a user's mail what clients were told?
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "mailbox/metadata.h"
#include "mailbox/store.h"

static bool is_boot_file(const char *name)
{
	return strcmp(name, "posthorn-index-boot") == 0;
}

/* As if the machine had been started again: the boot id is another. */
static void write_out(int dir, const char *name, const struct model_node *node,
	struct arena *arena)
{
	struct str octets = tree_octets(node, arena);
	auto_close int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct timespec times[2] = { { .tv_sec = node->modified_s },
		{ .tv_sec = node->modified_s } };

	if (is_boot_file(name) && octets.len > 0)
		((char *)(uintptr_t)octets.p)[0] ^= 1;
	if (fd < 0 || write(fd, octets.p, octets.len) != (ssize_t)octets.len)
		panic("%s: %m", name);
	if (node->modified_s && futimens(fd, times) < 0)
		panic("%s: %m", name);
}

static void put_tree(const struct model_tree *state, uint32_t node, int dir,
	struct arena *arena)
{
	const struct model_node *n = state->nodes[node];

	for (size_t i = 0; i < n->entry_count; i++) {
		const char *name = n->entries[i].name;
		const struct model_node *child =
			state->nodes[n->entries[i].node];

		if (!child->is_dir) {
			write_out(dir, name, child, arena);
			continue;
		}
		if (mkdirat(dir, name, 0700) < 0)
			panic("%s: %m", name);
		auto_close int below =
			openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		put_tree(state, n->entries[i].node, below, arena);
	}
}

static void remove_tree(int dir)
{
	DIR *list = fdopendir(dup(dir));
	struct dirent *e;

	rewinddir(list);
	while ((e = readdir(list))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_DIR) {
			auto_close int below = openat(dir, e->d_name,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			remove_tree(below);
			unlinkat(dir, e->d_name, AT_REMOVEDIR);
		} else {
			unlinkat(dir, e->d_name, 0);
		}
	}
	closedir(list);
}

/* A promise that is about this message is taken back by this moment. */
static bool is_leaving(const struct now *now, const struct promise *there)
{
	for (size_t i = 0; i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (!str_eq(p->store, there->store) ||
			!ledger_is_made(now, p) ||
			!str_eq(p->fields[0], there->fields[0]))
			continue;
		if (p->kind == PROMISE_NOBOX ||
			(p->kind == PROMISE_LEAVE &&
				str_eq(p->fields[1], there->fields[1])))
			return true;
	}
	return false;
}

static const char *check_there(
	const struct now *now, struct mailbox *box, const struct promise *p)
{
	uint32_t uid = (uint32_t)ledger_number(p->fields[1]);
	struct mailbox_message *m = mailbox_find(box, uid);
	struct str octets;

	if (uid >= box->row.uidnext)
		return check_wrong(
			now, "%s: UID %u would be given again", box->name, uid);
	if (!m && !ledger_is_due(now, p, p->fields[3]))
		return NULL;
	if (!m)
		return is_leaving(now, p) ?
			       NULL :
			       check_wrong(now,
				       "%s: UID %u, message %.*s, is not there",
				       box->name, uid, STR_ARG(p->fields[2]));
	if (mailbox_read(box, uid, now->arena, 0, &octets) != MAILBOX_OK)
		return check_wrong(
			now, "%s: UID %u cannot be read", box->name, uid);
	return text_is_in(octets, p->text) ?
		       NULL :
		       check_wrong(now, "%s: UID %u is not %.*s", box->name,
			       uid, STR_ARG(p->fields[2]));
}

static const char *check_left(
	const struct now *now, struct mailbox *box, const struct promise *p)
{
	if (!ledger_is_due(now, p, p->fields[2]) ||
		!mailbox_find(box, (uint32_t)ledger_number(p->fields[1])))
		return NULL;
	return check_wrong(now, "%s: UID %.*s came back", box->name,
		STR_ARG(p->fields[1]));
}

static bool is_no_box(const struct now *now, const struct promise *box)
{
	return ledger_is_said(now, PROMISE_NOBOX, box->store, box->fields[0]);
}

static const char *check_note(const struct now *now,
	struct mailbox_store *store, const struct promise *p)
{
	struct mailbox_metadata metadata;

	if (is_no_box(now, p) ||
		(mailbox_metadata_read(store, now->arena, p->fields[0],
			 &metadata) &&
			str_eq(p->fields[2], mailbox_metadata_find(&metadata,
				arena_cstr(now->arena, p->fields[1])))))
		return NULL;
	return check_wrong(now, "%.*s of %.*s is not there",
		STR_ARG(p->fields[1]), STR_ARG(p->fields[0]));
}

static const char *check_box(const struct now *now, struct mailbox_store *store,
	const struct promise *first)
{
	struct mailbox *box;
	const char *result = NULL;

	if (mailbox_open(store, first->fields[0], &box) != MAILBOX_OK)
		return is_no_box(now, first) ?
			       NULL :
			       check_wrong(now, "mailbox %.*s is not there",
				       STR_ARG(first->fields[0]));
	if (first->kind == PROMISE_BOX &&
		ledger_number(first->fields[1]) != box->row.uidvalidity &&
		!is_no_box(now, first))
		result = check_wrong(now,
			"UIDVALIDITY of %s changed from %.*s to "
			"%u",
			box->name, STR_ARG(first->fields[1]),
			box->row.uidvalidity);
	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (!ledger_is_made(now, p) ||
			!str_eq(p->store, first->store) ||
			!str_is(p->fields[0], box->name))
			continue;
		if (p->kind == PROMISE_THERE && !is_no_box(now, first))
			result = check_there(now, box, p);
		else if (p->kind == PROMISE_LEFT)
			result = check_left(now, box, p);
	}
	mailbox_close(box);
	return result;
}

const char *check_store_at(
	const struct now *now, struct str name, const char *path)
{
	struct mailbox_store *store = mailbox_store_open(path);
	const char *result = NULL;

	if (!store)
		return "a user's mail does not open";
	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (!ledger_is_made(now, p) || !str_eq(p->store, name))
			continue;
		if (p->kind == PROMISE_BOX || p->kind == PROMISE_MADE)
			result = check_box(now, store, p);
		else if (p->kind == PROMISE_NOTE)
			result = check_note(now, store, p);
		else if (p->kind == PROMISE_UNMADE &&
			 mailbox_store_has(store, p->fields[0]))
			result = check_wrong(now, "mailbox %.*s came back",
				STR_ARG(p->fields[0]));
	}
	mailbox_store_close(store);
	return result;
}

static const char *check_store(const struct now *now, struct model_tree *state,
	const char *scratch, struct str name)
{
	uint32_t node = tree_find(state, arena_cstr(now->arena, name));
	const char *path = arena_fmt(now->arena, "%s/mail", scratch).p;
	const char *result;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		panic("%s: %m", path);
	auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	remove_tree(dir);
	if (node)
		put_tree(state, node, dir, now->arena);
	result = check_store_at(now, name, path);
	return result ? check_wrong(now, "%.*s: %s", STR_ARG(name), result) :
			NULL;
}

/* What can be seen in new/ or cur/ is whole. */
static const char *check_visible(const struct now *now,
	const struct model_tree *state, uint32_t node, bool is_visible)
{
	const struct model_node *n = state->nodes[node];
	const char *result = NULL;

	for (size_t i = 0; !result && i < n->entry_count; i++) {
		const char *name = n->entries[i].name;
		uint32_t below = n->entries[i].node;
		const struct str *text;
		struct str octets;

		if (state->nodes[below]->is_dir) {
			result = check_visible(now, state, below,
				!strcmp(name, "new") || !strcmp(name, "cur"));
			continue;
		}
		if (!is_visible)
			continue;
		octets = tree_octets(state->nodes[below], now->arena);
		text = text_named_in(now->ledger, octets);
		if (text ? !text_is_in(octets, *text) :
			   str_find(octets, STR("multipart/report")) ==
					SIZE_MAX)
			result = check_wrong(now,
				"a damaged message can be "
				"seen: %s",
				name);
	}
	return result;
}

const char *check_stores(
	const struct now *now, struct model_tree *state, const char *scratch)
{
	uint32_t mail = tree_find(state, "mail");
	const char *result =
		mail ? check_visible(now, state, mail, false) : NULL;
	struct str last = STR_NONE;

	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (p->store.len == 0 || !ledger_is_made(now, p) ||
			str_eq(p->store, last))
			continue;
		last = p->store;
		result = check_store(now, state, scratch, last);
	}
	return result;
}

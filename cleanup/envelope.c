/*
 * cleanup/envelope - who gets a message: rewriting, copies, aliases, and each
 * address once.
 */
#include "cleanup/cleanup.h"

#include "base/log.h"
#include "base/table.h"

/* The same address for the same original one is one delivery; if originals are
 * of no interest, the same address. */
static struct str key_of(const struct intake *intake,
	const struct msg_recipient *r)
{
	auto_buf struct buf key = { 0 };

	buf_add(&key, r->address);
	buf_char(&key, '\0');
	if (intake->conf->enable_original_recipient)
		buf_add(&key, r->orig);
	return arena_lower(intake->arena, buf_str(&key));
}

static struct status add(struct intake *intake,
	const struct msg_recipient *recipient)
{
	struct msg_recipient *kept;

	if (intake->recipient_count >= MESSAGE_RECIPIENTS_MOST)
		return STATUS(452, 5, 3, "Error: too many recipients");
	arena_grow(intake->arena, &intake->recipients,
		&intake->recipient_capacity, intake->recipient_count + 1,
		sizeof(*intake->recipients));
	kept = &intake->recipients[intake->recipient_count++];
	*kept = *recipient;
	return STATUS_OK;
}

static void drop_duplicates(struct intake *intake)
{
	struct table *seen = table_new();
	size_t out = 0;

	for (size_t i = 0; i < intake->recipient_count; i++) {
		struct msg_recipient *r = &intake->recipients[i];
		struct str key = key_of(intake, r);
		bool is_known = table_find(seen, key) != NULL;
		int64_t limit = intake->conf->duplicate_filter_limit;

		if (is_known)
			continue;
		if (limit <= 0 || (int64_t)table_count(seen) < limit)
			table_put(seen, key, r);
		intake->recipients[out++] = *r;
	}
	intake->recipient_count = out;
	table_free(seen);
}

static struct status rewrite_recipient(struct intake *intake,
	struct msg_recipient *r)
{
	if (str_is_none(r->orig))
		r->orig = r->address;
	if (intake->facts.flags & SUBMIT_NO_REWRITE)
		return STATUS_OK;
	return rewriting_recipient(intake, &r->address);
}

/* Each recipient through the aliases into a fresh list. */
static struct status expand_aliases(struct intake *intake)
{
	struct msg_recipient *given = intake->recipients;
	size_t count = intake->recipient_count;

	intake->recipients = NULL;
	intake->recipient_count = intake->recipient_capacity = 0;
	for (size_t i = 0; i < count; i++) {
		struct status status = intake->facts.flags & SUBMIT_NO_REWRITE
			? add(intake, &given[i])
			: rewriting_aliases(intake, &given[i], add);

		if (!status_is_ok(status))
			return status;
	}
	return STATUS_OK;
}

/* REDIRECT: one recipient instead of all. */
static void redirect(struct intake *intake)
{
	intake->recipients[0] = (struct msg_recipient){
		.address = intake->facts.redirect };
	intake->recipient_count = 1;
}

struct status envelope_apply(struct intake *intake)
{
	bool is_plain = intake->facts.flags & SUBMIT_NO_REWRITE;
	struct status status;

	if (!is_plain) {
		status = rewriting_sender(intake, &intake->facts.sender);
		if (!status_is_ok(status))
			return status;
	}
	if (!str_is_none(intake->facts.redirect) && intake->facts.redirect.len)
		redirect(intake);
	for (size_t i = 0; i < intake->recipient_count; i++) {
		status = rewrite_recipient(intake, &intake->recipients[i]);
		if (!status_is_ok(status))
			return status;
	}
	if (!is_plain && !(intake->facts.flags & SUBMIT_INTERNAL)) {
		status = rewriting_copies(intake);
		if (!status_is_ok(status))
			return status;
	}
	status = expand_aliases(intake);
	if (!status_is_ok(status))
		return status;
	drop_duplicates(intake);
	return intake->recipient_count
		? STATUS_OK : STATUS(550, 1, 0, "Error: no recipients specified");
}

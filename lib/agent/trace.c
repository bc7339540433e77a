#include "agent/trace.h"

#include "mail/address.h"
#include "mail/header.h"

static void add(struct buf *out, const char *name, struct str address)
{
	buf_text(out, name);
	mail_address_format(out, address);
	buf_char(out, '\n');
}

void trace_format(struct buf *out, const struct delivery *delivery,
	const struct deliver_recipient *recipient, unsigned lines)
{
	if (lines & TRACE_RETURN_PATH) {
		buf_text(out, "Return-Path: <");
		mail_address_format(out, delivery->m.sender);
		buf_text(out, ">\n");
	}
	if ((lines & TRACE_ORIGINAL_TO) && recipient->orig.len > 0 &&
		delivery->conf->enable_original_recipient)
		add(out, "X-Original-To: ", recipient->orig);
	if (lines & TRACE_DELIVERED_TO)
		add(out, "Delivered-To: ", recipient->address);
}

bool trace_is_loop(struct str header, struct str address)
{
	struct mail_header field;

	while (mail_header_take(&header, &field))
		if (mail_header_is(&field, "Delivered-To") &&
			str_eq_nocase(field.body, address))
			return true;
	return false;
}

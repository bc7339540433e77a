/*
 * smtpd/policy - the text of check_policy_service: what main.cf says of a
 * server, and what that server answers.
 *
 * Source   SMTPD_POLICY_README of Postfix
 * Waits    policy_answer_take, within the deadline of the stream
 */
#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H

#include "io/stream.h"

struct policy_options {
	struct str endpoint, context, default_action;
	struct span timeout, max_idle, max_ttl, retry_delay;
	int64_t request_limit, try_limit;
};

/* "inet:host:port", or "{ inet:host:port, timeout = 10s }"; what is not named
 * stays. False: malformed. Slices of `text`. */
must_check bool policy_options_parse(struct policy_options *options,
	struct str text);

/* Lines "name=value" up to an empty one: the last action, in `arena`. False
 * with errno; EPROTO: there was none, or too many lines. */
must_check bool policy_answer_take(struct stream *stream, struct arena *arena,
	struct str *action);

#endif

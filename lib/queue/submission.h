/*
 * queue/submission - the flags of a submission, as in msg_submission.flags,
 * on disk and in msg_deliver's message.
 */
#ifndef QUEUE_SUBMISSION_H
#define QUEUE_SUBMISSION_H

enum submit_flag {
	SUBMIT_LOCAL_HEADERS = 1 << 0, /* local rewriting context: add missing
		headers, complete and rewrite header addresses */
	SUBMIT_HOLD = 1 << 1,    /* goes to hold/ */
	SUBMIT_DISCARD = 1 << 2, /* accepted and thrown away */
	SUBMIT_SMTPUTF8 = 1 << 3, /* MAIL had SMTPUTF8, RFC 6531 */
	SUBMIT_INTERNAL = 1 << 4, /* a notification of our own: no milters,
		checks, bcc, rewriting; may use the space reserve */
	SUBMIT_NO_REWRITE = 1 << 5, /* receive_override_options =
		no_address_mappings: no canonical, masquerade, bcc, alias */
	SUBMIT_NO_CHECKS = 1 << 6, /* no_header_body_checks */
	SUBMIT_NO_MILTERS = 1 << 7, /* no_milters */
	SUBMIT_VERIFY_ONLY = 1 << 8, /* a probe: nothing is delivered */
	SUBMIT_TRACE = 1 << 9,   /* sendmail -v: report on delivery to sender */
	SUBMIT_FORWARDED = 1 << 10, /* by local(8): already rewritten; virtual
		aliases still apply */
	SUBMIT_REQUIRETLS = 1 << 11,
	SUBMIT_TLS_OPTIONAL = 1 << 12, /* "TLS-Required: no" */
	SUBMIT_INSPECT = 1 << 13, /* INTERNAL, but checked like others:
		internal_mail_filter_classes */
	SUBMIT_PROBE = 1 << 14, /* of verify(8), which is told what it finds;
		with VERIFY_ONLY */
};

/* notify of msg_recipient: NOTIFY= of RFC 3461 4.1; 0: not given. */
enum dsn_notify {
	DSN_NOTIFY_NEVER = 1 << 0,
	DSN_NOTIFY_SUCCESS = 1 << 1,
	DSN_NOTIFY_FAILURE = 1 << 2,
	DSN_NOTIFY_DELAY = 1 << 3,
};

/* dsn_ret: RET= of RFC 3461 4.3. */
enum dsn_ret {
	DSN_RET_NONE = 0,
	DSN_RET_FULL = 1,
	DSN_RET_HDRS = 2,
};

enum {
	/* Code of msg_submitted for a probe whose answer needs no queue: the
	 * address is deliverable, and nothing was queued. */
	SUBMIT_KNOWN_CODE = 252,
	CONTENT_IN_PACKET_MOST = 64 * 1024, /* above: a file in large/ */
};

#endif

/*
 * agent/deliver - what every delivery agent does: take a delivery from qmgr,
 * report each recipient, say that it is done.
 *
 * Memory   everything in the arena of the call
 * Waits    deliver_serve, deliver_report, deliver_done, content_next
 * Errors   when qmgr has gone, reports are logged and lost: qmgr's successor
 *          delivers again
 */
#ifndef AGENT_DELIVER_H
#define AGENT_DELIVER_H

#include "base/status.h"
#include "config/config.h"
#include "dsn/action.h"
#include "ipc/messages.h"

/* Flags of a delivery, as in msg_deliver.flags. */
enum deliver_flag {
	DELIVER_SMTPUTF8 = 1 << 0,    /* the message needs it, RFC 6531 */
	DELIVER_MORE = 1 << 1,        /* more waits for this nexthop: keep the
					 connection for it */
	DELIVER_VERIFY = 1 << 2,      /* a probe: only ask, deliver nothing */
	DELIVER_TRACE = 1 << 3,       /* sendmail -v, report all to sender */
	DELIVER_REQUIRETLS = 1 << 4,  /* RFC 8689 */
	DELIVER_TLS_OPTIONAL = 1 << 5, /* "TLS-Required: no", RFC 8689 5 */
	DELIVER_BOUNCE = 1 << 6,      /* a notification of our own */
	DELIVER_RETRY = 1 << 7,       /* it may have been delivered before: a
					 crash came in between */
	DELIVER_AT_ONCE = 1 << 8,     /* no queue has it: the sender waits until
					 it is settled */
};

enum deliver_site { /* msg_deliver_done.site */
	DELIVER_SITE_REACHED,
	DELIVER_SITE_UNREACHABLE, /* destination: slow down, then suspend */
	DELIVER_SITE_SICK,        /* the transport itself cannot work */
	DELIVER_SITE_OWN,         /* we are it: see deliver_pass_rest */
};

/* Where a message's content is; LF line ends, begins with its header. */
struct content {
	struct str head;  /* in memory: all of it, or what stands in place of the
			     first `skip` octets of the file */
	int fd;           /* -1: all is in head */
	uint64_t skip, file_size;
	uint64_t size;    /* of the whole content */
};

struct deliver_recipient {
	uint64_t number;
	struct str address, orig; /* orig: as received, may equal address */
	struct str orcpt;         /* may be NONE */
	uint64_t notify;
	bool reported;
};

/* A message for one nexthop, as qmgr gave it. */
struct delivery {
	const struct conf *conf;
	struct arena *arena; /* of the call */
	struct call *call;
	struct msg_deliver m;
	int large; /* content over 64 KiB, else -1 */
	struct content content;
	struct deliver_recipient *recipients;
	size_t count;
	int64_t received_us; /* wall clock: when this agent got it */
	bool done;
};

/* One of the addresses that a recipient stood for. */
struct deliver_line {
	struct str address;
	struct status status;
};

/* What became of a recipient. */
struct deliver_report {
	struct status status;      /* class 2 sent, 4 deferred, 5 bounced */
	struct str relay;          /* as logged; NONE: the service's name */
	enum dsn_action action;    /* class 2; NONE means delivered */
	struct str mta, diagnostic; /* may be NONE */
	int64_t connected_us;      /* wall clock when transmission began; 0: when
				      the delivery was received */
	unsigned conn_use;         /* > 1: logged */
	struct str tls;            /* of the log line, may be NONE */
	/* Logged each in place of the recipient; 0: it stood for itself. */
	const struct deliver_line *lines;
	size_t line_count;
	bool unsettled; /* a power cut may still undo it: deliver_settled or
			   deliver_done(settled) follows when not any more */
};

/*
 * What .serve of an agent's struct service does: receives one delivery, calls
 * deliver(), which reports every recipient with deliver_report() and ends
 * with deliver_done(). Recipients that it left out are deferred. Waits.
 */
void deliver_serve(const struct conf *conf, struct call *call,
	void (*deliver)(struct delivery *delivery));

/* What qmgr sends, to a child or to another agent: the delivery, of its
 * recipients those that are given, and `large`. False: not sent. */
must_check bool deliver_send(struct call *call, const struct msg_deliver *m,
	struct deliver_recipient *const *recipients, size_t count, int large);

/*
 * The receiving half of it, for children that a parent hands deliveries to:
 * deliver, its recipients, deliver_go. False: not received. delivery->large
 * is the caller's to close, whatever came out. Waits.
 */
must_check bool deliver_receive(struct delivery *delivery,
	const struct conf *conf, struct call *call);

/*
 * In .prepare: the table that <agent>_delivery_status_filter names, asked for
 * "5.1.1 text" before each report; what it gives ("4.1.1 other text") is
 * reported instead. A success never becomes a failure
 * nor a failure a success.
 */
void deliver_filter_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str list);

/* Log the line and tell qmgr; once per recipient. Waits for a filter in
 * proxy:. */
void deliver_report(struct delivery *delivery,
	struct deliver_recipient *recipient,
	const struct deliver_report *report);
/* The same report for every recipient that has none yet. */
void deliver_report_rest(struct delivery *delivery,
	const struct deliver_report *report);
/* The rest is for this host: qmgr gives it to best_mx_transport. Instead of
 * deliver_done. */
void deliver_pass_rest(struct delivery *delivery);
/*
 * All recipients were reported. settled: nothing of it still needs a flush;
 * if false, deliver_settled must follow on the same call. `why` as said in
 * messages.def.
 */
void deliver_done(struct delivery *delivery, bool settled,
	enum deliver_site site, struct str why);
void deliver_settled(struct delivery *delivery);

/* qmgr has gone: a new one asks for the same delivery, and would not hear of
 * this one. To be asked before what cannot be undone. */
bool deliver_is_orphan(const struct delivery *delivery);

/* delays=a/b/c/d and the like: two significant digits, at most `decimals`
 * decimals, no zeros at the end: 0.08, 1.2, 13. */
void deliver_delay_format(struct buf *out, int64_t us, int decimals);

/* Read the content in blocks: *octets is borrowed until the next call; empty:
 * the end. False with errno. `at` begins with 0. */
struct content_reader {
	const struct content *content;
	uint64_t at;
	char *block; /* in the arena */
	size_t octets; /* of the block */
};

void content_open(struct content_reader *reader, struct arena *arena,
	const struct content *content);
must_check bool content_next(struct content_reader *reader,
	struct str *octets);
/* Open, and the first block in one piece with what is put in front of it: up to
 * 128 KiB of a file. To write it at once costs less than in four pieces, as the
 * pages of a new file are made for each. content_next has the rest. */
must_check bool content_open_behind(struct content_reader *reader,
	struct arena *arena, const struct content *content, struct str front,
	struct str *octets);
/* The header with its empty line, up to `most` octets, in one piece. */
must_check bool content_header(struct arena *arena,
	const struct content *content, size_t most, struct str *header);

#endif

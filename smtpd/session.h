/*
 * smtpd/session - one client and what it has said so far.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "base/status.h"
#include "dns/address.h"
#include "io/stream.h"
#include "milter/milter.h"
#include "queue/submit.h"
#include "service/service.h"
#include "smtp/reply.h"
#include "smtp/xclient.h"
#include "smtpd/server.h"

/* What the client may say next; a set in the table of verbs. */
enum stage {
	AT_START = 1, /* no transaction */
	AT_MAIL = 2,  /* MAIL was accepted; no recipient yet */
	AT_RCPT = 4,
	AT_BDAT = 8,  /* a chunk was accepted, not the last one */
	AT_ANY = 15,
};

enum {
	VERBS_MOST = 20, /* that are counted */
};

/* "Defer if it would be permitted (refused)": what for, if active. */
struct deferral {
	bool active;
	struct status status;
};

/* What access tables want done with the message. */
struct actions {
	unsigned flags; /* SUBMIT_HOLD, SUBMIT_DISCARD */
	struct str filter, redirect;
	struct str prepend; /* header lines, each with LF */
	struct str *bcc;
	size_t bcc_count, bcc_capacity;
};

struct evaluation {
	enum check_stage stage;
	struct status status;     /* of a refusal */
	struct deferral if_reject;
	bool warn;                /* under warn_if_reject */
	unsigned depth;           /* lists in lists */
};

/* RFC 5321 3.3: from MAIL to the end of data or RSET. */
struct mail {
	struct arena *arena;
	struct submission *submission; /* NULL until the first recipient */
	struct str sender;             /* internal form */
	struct str sender_auth;        /* AUTH= of MAIL, NONE if none */
	struct str envid;
	struct str queue_id;           /* NONE until the first recipient */
	struct str encoding;
	struct str verp;               /* delimiters, NONE: no VERP */
	struct str first_recipient;
	unsigned ret, flags;
	uint64_t size;                 /* SIZE=, 0 if not given */
	int64_t arrival_us;
	size_t recipients, overshoot;
	struct actions actions;
	struct str command;  /* MAIL as it was given, for the proxy filter */
	struct proxy *proxy; /* smtpd_proxy_filter has it; NULL: the queue */
	uint64_t stored;     /* octets of content that went on */
	/* While a chunked message arrives. */
	struct smtp_decoder decoder;
	bool is_chunked, is_too_big;
	bool is_spoiled; /* a chunk was refused */
	uint64_t octets; /* of content as sent, for log lines */
};

/* transcript.c */
struct transcript {
	unsigned wanted, seen; /* classes of errors */
	struct buf text;
	int64_t lines;
};

struct proxy; /* see proxy.c */

struct session {
	const struct conf *conf;
	struct client *client;
	struct stream *io;
	struct arena *home;  /* of the connection */
	struct arena *arena; /* until the next command */
	unsigned stage;
	bool has_quit, is_gone; /* after QUIT, 421, or a lost connection */
	bool is_cut_off;     /* in the middle of the command at hand */
	const char *where;   /* for the log: CONNECT, EHLO, RCPT, ... */

	struct dns_address address;
	bool has_address;
	struct str address_text, name, reverse_name, port;
	int name_code, reverse_code; /* 2, 4, 5: see dns/dns.h */
	struct str label;            /* name[address] as in the log */

	struct str helo;       /* NONE: not yet */
	bool is_esmtp;
	bool may_verp;         /* by its address */
	unsigned hidden;       /* EHLO keywords that are not offered: bits */
	struct tls_session tls;
	bool has_tls;
	struct str sasl_method, sasl_username; /* NONE: not authenticated */

	struct mail *mail; /* NULL: no transaction */
	struct str recipient; /* being looked at; NONE */
	struct str etrn;      /* domain of ETRN, while it is looked at; NONE */
	struct actions actions; /* of the connection */
	struct deferral deferrals[CHECK_STAGES]; /* defer_if_permit */
	struct evaluation check;

	bool explains; /* see explain.c: says what it looks at */
	unsigned errors, junk;
	bool saw_bare_lf, saw_bad_pipelining;
	struct {
		unsigned ok, all;
	} counts[VERBS_MOST + 1]; /* the last: unknown ones */
	struct transcript transcript;
	struct call *rate_call; /* to anvil; NULL: not counted */
	uint64_t connections;   /* of its network, as anvil counts; 0: unknown */

	struct milters *milters;    /* NULL: there are none */
	struct status unfiltered;   /* code 0; else why no filter is asked */
	const struct status *refused; /* recipient at hand, for macros; NULL */

	/* XCLIENT, XFORWARD: by its address. */
	bool may_xclient, may_xforward;
	bool is_debugged; /* likewise */
	struct str server_address, server_port; /* NONE: of the socket */
	struct smtp_xclient forwarded; /* what XFORWARD said, until RSET */
	struct arena *forwarded_arena; /* NULL: nothing */
};

/* ---- smtpd.c ---- */

/*
 * No more can be read (errno of the read that failed): a line in the log, 421
 * if the client may hear it, and the session is over. REPLIED. Who was in the
 * middle of a message or an exchange must not read on: what comes next is no
 * command.
 */
struct status session_lost(struct session *s, int error);

/* ---- explain.c ---- */

/* A session whose client wants to know what is looked at. */
void explain_begin(struct session *s);

/* ---- reply.c ---- */

/* Send it; class 4 and 5 count as errors. 421 and 521 end the session. */
void reply(struct session *s, struct status status);
/* The same, but it is no error of the client. */
void reply_free(struct session *s, struct status status);
/* Text lines of one reply of code 250 (EHLO, HELP), LF between them. */
void reply_lines(struct session *s, int code, struct str text);
/* "421 4.4.2 <host> Error: ...": the last reply. */
void reply_last(struct session *s, int subject, int detail, const char *text);
/* Who speaks before its turn, and what it says. */
void log_pipelining(struct session *s);
/* The status as Postfix logs a refusal, "reject", "reject_warning", "hold". */
void log_event(struct session *s, const char *event, struct str text);
void log_refusal(struct session *s, const char *event, struct status status);
/* "proxy-accept: END-OF-MESSAGE: <reply>; from=...". */
void log_proxy(struct session *s, struct status status);
/* Queue ID or NOQUEUE. */
struct str queue_id(const struct session *s);
/* In external form, for the log. */
struct str shown(struct session *s, struct str address);

/* ---- footer.c: how a refusal is said ---- */

/* As smtpd_reject_filter_maps and smtpd_reject_footer(_maps) have it; text in
 * the arena. Other statuses as they are. */
struct status footer_apply(struct session *s, struct arena *arena,
	struct status status);
/* What smtpd_expansion_filter does not allow becomes "_". */
struct str footer_filtered(struct session *s, struct arena *arena,
	struct str text);

/* ---- transcript.c: for postmaster ---- */

void transcript_open(struct session *s);
void transcript_said(struct session *s, struct str reply);
void transcript_heard(struct session *s, struct str line);
/* A reply of class 4 or 5. */
void transcript_error(struct session *s, struct status status);
/* Something is over: a long story is forgotten. */
void transcript_may_flush(struct session *s);
/* The end: tells postmaster, if it is to be told. Waits for cleanup. */
void transcript_close(struct session *s);

/* ---- client.c ---- */

/* With smtpd_upstream_proxy_protocol: the header that a proxy sends before all
 * else has come, and the client's and our address are what it says. False: it
 * has not; why has been logged. Waits. */
must_check bool client_is_introduced(struct session *s);
void client_identify(struct session *s);
/* Its name and address are new: what hangs on them. */
void client_changed(struct session *s);
/* The end: counts per verb. */
void client_log_end(struct session *s);
/* True for a client whom this list of exceptions or networks names. */
bool client_is_in(struct session *s, struct match *match);
/* True for an address of this host (inet_interfaces, proxy_interfaces). */
bool client_is_own(struct session *s);
/* True for a client that showed a certificate whose fingerprint, or that of
 * its public key, is in relay_clientcerts. Not when that cannot be looked
 * up. May wait for a lookup. */
bool client_has_listed_certificate(struct session *s);
/* Our own address, as text; empty: none that has one (a UNIX socket). */
struct str client_server_address(struct session *s);

/* ---- rate.c: anvil ---- */

enum rate_event {
	RATE_CONNECT,
	RATE_MESSAGE,
	RATE_RECIPIENT,
	RATE_TLS,
	RATE_AUTH,
};

/* False: over the limit, which has been logged; `refusal` is what to say. */
must_check bool rate_count(struct session *s, enum rate_event event,
	struct status *refusal);
void rate_disconnect(struct session *s);

/* ---- verbs ---- */

struct status helo(struct session *s, struct str arguments);
struct status ehlo(struct session *s, struct str arguments);
struct status xclient(struct session *s, struct str arguments);
struct status xforward(struct session *s, struct str arguments);
struct status starttls(struct session *s, struct str arguments);
struct status auth(struct session *s, struct str arguments);
struct status mail(struct session *s, struct str arguments);
struct status rcpt(struct session *s, struct str arguments);
struct status data(struct session *s, struct str arguments);
struct status bdat(struct session *s, struct str arguments);
struct status rset(struct session *s, struct str arguments);
struct status noop(struct session *s, struct str arguments);
struct status vrfy(struct session *s, struct str arguments);
struct status etrn(struct session *s, struct str arguments);
struct status quit(struct session *s, struct str arguments);
struct status help(struct session *s, struct str arguments);

/* A verb that has replied already, or has nothing to say (the client has
 * gone). */
#define REPLIED ((struct status){ .code = 200 })

/* ---- hello.c ---- */

/* Bits of session.hidden, and the names of smtpd_discard_ehlo_keywords. */
enum {
	HIDE_PIPELINING = 1 << 0,
	HIDE_SIZE = 1 << 1,
	HIDE_VRFY = 1 << 2,
	HIDE_STARTTLS = 1 << 4,
	HIDE_AUTH = 1 << 5,
	HIDE_ENHANCED = 1 << 6,
	HIDE_8BITMIME = 1 << 7,
	HIDE_DSN = 1 << 8,
	HIDE_SMTPUTF8 = 1 << 9,
	HIDE_CHUNKING = 1 << 10,
	HIDE_VERP = 1 << 11,
	HIDE_XCLIENT = 1 << 12,
	HIDE_XFORWARD = 1 << 13,
};

/* ---- xclient.c ---- */

/* What EHLO offers; nothing, if the client may not. */
void xclient_offer(struct session *s, struct buf *out);
void xforward_offer(struct session *s, struct buf *out);
/* What XFORWARD said, in place of what we know of the client; good until it
 * is forgotten. */
void xforward_fill(struct session *s, struct msg_submission *facts);
void xforward_forget(struct session *s);
/* ", orig_queue_id=x, orig_client=name[address]". */
void xforward_log(struct session *s, struct buf *line);

/* ---- starttls.c ---- */

/* The handshake and what is logged of it. False: the client is gone. */
must_check bool tls_begin(struct session *s);
/* The same before the greeting (smtpd_tls_wrappermode), unless the client had
 * too many new sessions of late. False: it gets no greeting. */
must_check bool tls_begin_wrapped(struct session *s);

/* ---- auth.c ---- */

/* Mechanisms to offer, blanks between them; empty: none. */
struct str auth_mechanisms(struct session *s);

/* ---- mail.c ---- */

/* End the transaction: nothing is kept. */
void mail_reset(struct session *s);
/* Now there is something to queue: an ID, and the log line of it. */
must_check struct status mail_open(struct session *s);
/* local_header_rewrite_clients names this client, or who forwards it said so.
 * May wait for a lookup. */
bool mail_is_local(struct session *s);

/* ---- proxy.c: smtpd_proxy_filter ---- */

/*
 * Instead of a submission. Not 2xx: what the client gets, a refusal of the
 * filter or 451; why has been logged. All wait.
 */
must_check struct status proxy_open(struct session *s);
/* With the arguments of RCPT, which have been found well-formed. */
must_check struct status proxy_rcpt(struct session *s, struct str arguments);
must_check struct status proxy_data(struct session *s);
/* Content with LF line ends. */
void proxy_write(struct session *s, struct str octets);
/* The end of the content: the filter's reply. Without it, nothing that the
 * filter could take for a message has been sent. */
must_check struct status proxy_finish(struct session *s);
void proxy_close(struct session *s);

/* ---- milter.c ---- */

/*
 * The filters of this client, if it has any, hear of what it does. Not 2xx: the
 * reply that it gets; that has been logged.
 */
must_check struct status milter_connect(struct session *s);
must_check struct status milter_helo(struct session *s);
/* With the arguments of the command, which has been found well-formed. */
must_check struct status milter_mail(struct session *s, struct str arguments);
must_check struct status milter_rcpt(struct session *s, struct str arguments);
/* One that has been refused by ourselves. */
void milter_refused_rcpt(struct session *s, struct str arguments,
	const struct status *status);
must_check struct status milter_data(struct session *s);
must_check struct status milter_unknown(struct session *s, struct str verb);
/* The content is cleanup's to show them: with the submission that is about to
 * be committed; and after that. */
must_check struct status milter_pass(struct session *s);
void milter_passed(struct session *s);
/* The transaction is over; the client is. */
void milter_reset(struct session *s);
void milter_close(struct session *s);

/* ---- received.c ---- */

void received_format(struct session *s, struct buf *out);

/* ---- check.c: restriction lists ---- */

/* 2xx: go on. What refuses has been logged. */
must_check struct status check_connect(struct session *s);
must_check struct status check_helo(struct session *s);
must_check struct status check_mail(struct session *s);
must_check struct status check_rcpt(struct session *s);
must_check struct status check_data(struct session *s);
must_check struct status check_end_of_data(struct session *s);
must_check struct status check_etrn(struct session *s);

#endif

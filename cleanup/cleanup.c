/*
 * cleanup - takes messages into the queue.
 *
 * Room       a fiber per submission; user posthorn-intake; its journal
 *            segments and large/, nothing else of the disk
 * Gets       submissions by IPC from smtpd, pickup, bounce, local, qmgr
 * Calls      qmgr (what is in the journal), proxymap, dialer (mail filters)
 * RFC        5322 3.6 (missing fields), 5321 6.3 (hop count), 3461
 *
 * A message is answered 250 after the flush of its slot, and only then qmgr
 * hears of it.
 */
#include "cleanup/cleanup.h"

#include <errno.h>

#include "base/log.h"
#include "mail/date.h"
#include "queue/id.h"

/* clang-format off */
static const enum param params[] = {
	queue_directory, myhostname, myorigin, message_size_limit,
	hopcount_limit, queue_minfree, header_size_limit,
	always_add_missing_headers, undisclosed_recipients_header,
	message_drop_headers, header_from_format, full_name_encoding_charset,
	enable_long_queue_ids, duplicate_filter_limit,
	always_bcc, sender_bcc_maps, recipient_bcc_maps,
	canonical_maps, sender_canonical_maps, recipient_canonical_maps,
	canonical_classes, sender_canonical_classes,
	recipient_canonical_classes, masquerade_domains, masquerade_classes,
	masquerade_exceptions, virtual_alias_maps,
	virtual_alias_expansion_limit, virtual_alias_recursion_limit,
	virtual_alias_address_length_limit, header_checks, mime_header_checks,
	nested_header_checks, body_checks, body_checks_size_limit,
	line_length_limit, non_smtpd_milters, message_reject_characters,
	message_strip_characters, non_empty_end_of_header_action,
	strict_7bit_headers, strict_8bitmime, strict_8bitmime_body,
	strict_mime_encoding_domain, force_mime_input_conversion,
	disable_mime_input_processing, detect_8bit_encoding_header,
	smtputf8_enable, smtputf8_autodetect_classes,
	delay_logging_resolution_limit, info_log_address_format,
	milter_header_checks, milter_protocol, milter_default_action,
	milter_connect_timeout, milter_command_timeout,
	milter_content_timeout, milter_macro_daemon_name, milter_macro_v,
	milter_macro_defaults, milter_connect_macros, milter_helo_macros,
	milter_mail_macros, milter_rcpt_macros, milter_data_macros,
	milter_end_of_header_macros, milter_end_of_data_macros,
	PARAMS_END
};
/* clang-format on */

static struct cleanup cleanup;

/* Opening the journal waits, and calls may come meanwhile. */
static struct {
	bool is_open;
	struct io_event news;
} queue;

static void prepare(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *directory = arena_cstr(arena, conf->queue_directory);
	unsigned char boot_id[MESSAGE_BOOT_OCTETS];

	cleanup.conf = conf;
	if (!disk_open(&cleanup.disk, directory))
		log_fatal("queue_directory %s: %m", directory);
	large_folder_init(&cleanup.large, cleanup.disk);
	spares_init(&cleanup.spares, cleanup.disk);
	message_boot_id(boot_id); /* /proc is out of reach later */
	mail_date_ready();
	io_event_init(&queue.news);
	rewriting_prepare(conf);
	checks_prepare(conf);
	milter_prepare(conf);
	strict_prepare(conf);
}

static void open_queue(void)
{
	if (!journal_open(&cleanup.journal, cleanup.disk, NULL, 0))
		log_fatal("journal: %m");
	if (!serials_open(&cleanup.serials, cleanup.disk))
		log_fatal("journal/serial: %m");
}

static void start(const struct conf *conf)
{
	(void)conf;
	open_queue();
	queue.is_open = true;
	io_event_wake_all(&queue.news);
	spares_start(&cleanup.spares);
	announce_start(&cleanup);
}

static bool await_queue(void)
{
	while (!queue.is_open)
		if (!io_event_wait(&queue.news, span_s(60)))
			return false;
	return true;
}

static void grant_ids(struct call *call)
{
	struct msg_ids_want want;
	struct msg_ids_grant grant = { 0 };

	if (!msg_ids_want_recv(call, &want, span_s(10)) || want.count == 0 ||
		want.count > 64)
		return;
	grant.space = space_left(&cleanup);
	if (serials_take(&cleanup.serials, (unsigned)want.count, &grant.first))
		grant.count = want.count;
	else
		log_warning("journal/serial: %m");
	(void)!msg_ids_grant_send(call, &grant);
}

/* It is no message, and survives nothing. */
static void grant_scratch(struct call *call)
{
	struct msg_scratch_want want;
	struct msg_scratch_grant grant = { .file = -1 };
	uint64_t serial;

	if (!msg_scratch_want_recv(call, &want, span_s(10)) ||
		!queue_id_parse(want.queue_id, &serial))
		return;
	if (space_left(&cleanup) == 2)
		errno = ENOSPC;
	else
		grant.file = large_scratch(cleanup.disk, serial);
	if (grant.file < 0) {
		grant.status = (uint64_t)errno;
		log_warning("large/: a file to be read again: %m");
	}
	(void)!msg_scratch_grant_send(call, &grant);
	base_close(&grant.file);
}

static void serve(const struct conf *conf, struct call *call)
{
	enum msg_kind kind;

	(void)conf;
	if (!await_queue() || !call_peek(call, &kind, span_s(10)))
		return;
	if (kind == MSG_ids_want)
		grant_ids(call);
	else if (kind == MSG_scratch_want)
		grant_scratch(call);
	else
		intake_run(&cleanup, call);
}

/* In an empty queue none should be: one that nobody freed is lost space. */
static void finish(const struct conf *conf)
{
	size_t used = queue.is_open ? journal_used(cleanup.journal) : 0;

	(void)conf;
	spares_close(&cleanup.spares);
	if (used > 0)
		log_info("journal: slots=%zu in use at the end", used);
}

static const struct service service = {
	.name = "cleanup", .fibers = 200, .profile = PROFILE_INTAKE,
	.calls = "qmgr rewrite resolver dialer proxymap querymap bounce",
	.params = params, .prepare = prepare, .start = start, .serve = serve,
	.finish = finish, .helper_threads = 4,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}

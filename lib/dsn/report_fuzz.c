/*
 * What strangers decide of a notification: addresses, ORCPT, ENVID, replies,
 * the header of the message. Whatever they hold, no field may end early.
 */
#include "base/buf.h"
#include "dsn/template.h"

static bool next(void *context, struct str *octets)
{
	(void)context;
	*octets = STR("");
	return true;
}

static void collect(void *to, struct str octets)
{
	buf_add(to, octets);
}

static bool is_known(struct str line)
{
	static const char *const names[] = { "Received:", "Date:", "From:",
		"Subject:", "To:", "References:", "In-Reply-To:",
		"Auto-Submitted:", "TLS-Required:", "MIME-Version:",
		"Content-Type:", "Content-Transfer-Encoding:", "Message-Id:",
		"Content-Description:", "Reporting-MTA:",
		"Original-Envelope-Id:", "X-posthorn-Queue-ID:",
		"X-posthorn-Sender:", "Arrival-Date:", "Final-Recipient:",
		"Original-Recipient:", "Action:", "Status:",
		"Diagnostic-Code:", "Last-Attempt-Date:", "Will-Retry-Until:",
		"--" };

	if (line.len == 0 || line.p[0] == ' ' || line.p[0] == '\t')
		return true;
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_starts(line, str_from(names[i])))
			return true;
	return false;
}

/* The header, and the part for programs. */
static void check(struct str text)
{
	const struct str begin = STR("Content-Description: Delivery report");
	const struct str end = STR("\n--A.");
	size_t at = str_find(text, begin);
	struct str status = str_skip(text, at), line;

	status = str_first(status, str_find(status, end));
	text = str_first(text, str_find(text, STR("\n\n")));
	while (str_take_line(&text, &line) || str_take_line(&status, &line))
		if (!is_known(line))
			panic("a line that is not ours: %.*s", STR_ARG(line));
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static const struct conf *conf;
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct buf out = BUF_IN(arena);
	struct dsn_template templates[DSN_KINDS];
	struct dsn_recipient recipient = {
		.address = str_take_until(&in, '\0'),
		.orig = str_take_until(&in, '\0'),
		.orcpt = str_take_until(&in, '\0'),
		.diagnostic = str_take_until(&in, '\0'),
		.status = { 550, 1, 1, str_take_until(&in, '\0') },
	};
	struct dsn_report report = {
		.kind = len > 0 ? octets[0] % DSN_KINDS : DSN_FAILURE,
		.envid = str_take_until(&in, '\0'),
		.sender = str_take_until(&in, '\0'),
		.own_id = STR("A"),
		.recipients = &recipient,
		.count = 1,
		.header = in,
		.next = next,
	};

	if (!conf)
		conf = conf_for_test(
			arena_new(0), (const char *const[]){ NULL });
	dsn_templates_init(templates);
	report.conf = conf;
	report.template = &templates[report.kind];
	if (dsn_report_write(arena, &report, collect, &out))
		check(buf_str(&out));
	arena_free(arena);
	return 0;
}

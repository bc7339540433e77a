/*
 * cleanup/probe - a probe of verify(8) for an address that stands for several:
 * that exists, whatever each of them may be, and no message is queued.
 */
#include "cleanup/cleanup.h"

#include "agent/deliver.h"
#include "base/log.h"

bool probe_is_known(const struct intake *intake)
{
	const uint64_t both = SUBMIT_VERIFY_ONLY | SUBMIT_PROBE;

	return (intake->facts.flags & both) == both &&
		intake->recipient_count > 1;
}

struct status probe_answer(const struct intake *intake)
{
	struct str orig = intake->recipients[0].orig;
	int64_t delay = wall_us() - (int64_t)intake->facts.arrival_us;
	struct buf line = BUF_IN(intake->arena);
	struct status status = STATUS(SUBMIT_KNOWN_CODE, 0, 0,
		"aliased to multiple recipients");

	buf_fmt(&line, "%.*s: to=<", STR_ARG(intake->facts.queue_id));
	buf_add(&line, checks_address(intake, orig));
	buf_text(&line, ">, relay=none, delay=");
	deliver_delay_format(&line, delay, (int)
		intake->conf->delay_logging_resolution_limit);
	buf_text(&line, ", delays=");
	deliver_delay_format(&line, delay, (int)
		intake->conf->delay_logging_resolution_limit);
	buf_fmt(&line, "/0/0/0, dsn=2.0.0, status=deliverable (%.*s)",
		STR_ARG(status.text));
	log_info("%.*s", STR_ARG(buf_str(&line)));
	return status;
}

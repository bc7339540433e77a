/*
 * error - bounces, or as the service `retry` defers, every recipient, with
 * the text of the nexthop as reason.
 *
 * Room       user posthorn, empty root; opens nothing
 * Gets       deliveries from qmgr
 * Calls      nobody
 */
#include "agent/deliver.h"
#include "service/service.h"
#include "smtp/reply.h"

static const enum param params[] = { delay_logging_resolution_limit,
	soft_bounce, PARAMS_END };

/* "5.1.1 User unknown": a class 4 defers even as `error`. */
static void deliver(struct delivery *delivery)
{
	bool retry = str_is(service_row(), "retry");
	struct str text = delivery->m.nexthop;
	struct status status = { 0 };
	unsigned class = smtp_enhanced_take(&text, &status);

	status.code = class == 4 || (class == 0 && retry) ? 450 : 550;
	status.text = text.len ? text : STR("no reason was given");
	deliver_report_rest(delivery,
		&(struct deliver_report){
			.status = status,
			.relay = STR("none"),
		});
}

static void serve(const struct conf *conf, struct call *call)
{
	deliver_serve(conf, call, deliver);
}

static const struct service service = {
	.name = "error",
	.fibers = 100,
	.profile = PROFILE_WORKER,
	.calls = "",
	.params = params,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}

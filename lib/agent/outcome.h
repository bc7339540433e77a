/*
 * agent/outcome - a status out of what something said about a delivery: the
 * nexthop of error(8), the exit status and output of a command.
 *
 * Source   RFC 3463 2 (enhanced codes), sysexits(3)
 * Memory   slices of the text, or in the arena
 * Waits    no
 */
#ifndef AGENT_OUTCOME_H
#define AGENT_OUTCOME_H

#include "base/status.h"

struct outcome_code {
	unsigned class, subject, detail;
};

/* "5.1.1 " at the front of a text; class is 2, 4 or 5. */
must_check bool outcome_code_take(struct str *text, struct outcome_code *code);

/* `otherwise`, with subject, detail and text of "5.1.1 text"; its class
 * stands, whatever the text says. */
struct status outcome_parse(struct str text, struct status otherwise);

/*
 * What became of a command: `wait_status` as of waitpid(2), `output` what it
 * wrote. A code at the front of the output is used if its class goes with the
 * exit status.
 */
struct status outcome_of_command(struct arena *arena, struct str command,
	int wait_status, struct str output);

/* Output of a command as one line of text: control octets become blanks, no
 * blanks at either end. */
struct str outcome_line(struct arena *arena, struct str output);

#endif

/*
 * What the relay path costs: N deliveries, a connection each, to a server in
 * this process; its instructions are counted from outside
 * (tests/cost_test.py).
 *
 *	session_cost N
 */
#include "smtp/session_fuzz.c"

#include <stdlib.h>

int main(int argc, char **argv)
{
	static const char script[] = "\0"
		"220 sink.example.net ESMTP\r\n\1w"
		"250-sink.example.net\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
		"\1w250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n\1w"
		"250 2.0.0 Ok\r\n\1w221 2.0.0 Bye\r\n";
	int count = argc > 1 ? atoi(argv[1]) : 1;

	for (int i = 0; i < count; i++)
		LLVMFuzzerTestOneInput((const uint8_t *)script,
			sizeof(script) - 1);
	return 0;
}

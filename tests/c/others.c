/*
 * Raises a counter beside variants that this release, of tests/src/others.rs, does not know.
 */
#include "station.h"

#include <stdio.h>

static shmbox box;
static struct station value;

static int failed(const char *what, int code)
{
	printf("%s: %d %s\n", what, code, shmbox_strerror(code));
	return 1;
}

#define TRY(call) do { int const code_ = (call); if (code_ != 0) return failed(#call, code_); } while (0)

int main(int argc, char **argv)
{
	long times, i;

	if (argc == 2) {
		/* Two births: of what this release does not know, and then of what it does. */
		key_t const key = (key_t)strtoul(argv[1], NULL, 0);

		memset(&value, 0, sizeof value);
		value.modes[2] = MODE_UNKNOWN;
		printf("%d %d", station_create(&box, key, 0600, &value), station_open_or_create(&box, key, 0600, &value));
		value.modes[2] = MODE_BUSY;
		printf(" %d\n", station_create(&box, key, 0600, &value));
		return station_close(&box);
	}
	if (argc != 3)
		return 2;
	times = atol(argv[2]);
	TRY(station_open(&box, (key_t)strtoul(argv[1], NULL, 0)));
	puts("open");
	fflush(stdout);
	for (i = 0; i < times; i++) {
		TRY(station_lock(&box));
		TRY(station_load(&box, &value));
		value.count++;
		/* The second one is not stored; the number of the first one stands in it anyway. */
		value.modes[1] = MODE_UNKNOWN;
		TRY(station_commit(&box, &value, NULL));
		TRY(station_unlock(&box));
	}
	TRY(station_close(&box));
	return 0;
}

/*
 * One version of the struct that tests/src/family.rs has four of: takes steps as one side of it. VERSION says which.
 */
#include "station.h"

#include <stdio.h>

#if VERSION >= 3
#define NAME title
#else
#define NAME names
#endif

static shmbox box;
static struct station value;

static int failed(const char *what, int code)
{
	printf("%s: %d %s\n", what, code, shmbox_strerror(code));
	return 1;
}

#define TRY(call) do { int const code_ = (call); if (code_ != 0) return failed(#call, code_); } while (0)

/* One step of a side, in all that this version knows. */
static void step(int side)
{
	uint64_t steps;

	if (side == 0)
		value.left++;
	else
		value.right++;
	steps = value.left + value.right;
	value.place.x = (int32_t)steps;
	value.place.y = -(int32_t)steps;
	value.range.first = (uint16_t)steps;
	value.range.second = (uint16_t)~steps;
	memset(value.NAME, 0, sizeof value.NAME);
	snprintf(value.NAME, sizeof value.NAME, "after step %llu", (unsigned long long)steps);
	value.mode = steps % 2 == 0 ? MODE_OFF : MODE_ON;
#if VERSION >= 2
	value.flags++;
#endif
#if VERSION >= 3
	value.total.low++;
#endif
#if VERSION >= 4
	{
		int i;

		for (i = 0; i < 3; i++)
			value.marks[i].large++;
		value.even = !value.even;
	}
#endif
}

/* Prints what it reads, once a line of input. */
static int look(const char *key)
{
	int letter;

	TRY(station_open_read_only(&box, (key_t)strtoul(key, NULL, 0)));
	while ((letter = getchar()) != EOF) {
		unsigned long long flags = 0, low = 0, high = 0, mark = 0;

		if (letter != '\n')
			continue;
		memset(&value, 0xff, sizeof value);
		TRY(station_get(&box, &value, NULL));
#if VERSION >= 2
		flags = value.flags;
#endif
#if VERSION >= 3
		low = value.total.low;
		high = value.total.high;
#endif
#if VERSION >= 4
		mark = value.marks[2].large;
#endif
		printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)value.left, (unsigned long long)value.right, flags, low,
		       high, mark);
		fflush(stdout);
	}
	TRY(station_close(&box));
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t version, before = 0;
	long times, i;
	int side;

	if (argc == 2)
		return look(argv[1]);
	if (argc != 4)
		return 2;
	side = atoi(argv[2]);
	times = atol(argv[3]);
	TRY(station_open(&box, (key_t)strtoul(argv[1], NULL, 0)));
	puts("open");
	fflush(stdout);
	for (i = 0; i < times; i++) {
		TRY(station_get(&box, &value, &version));
		if (version < before)
			return failed("an older version", 0);
		before = version;
		TRY(station_lock(&box));
		TRY(station_load(&box, &value));
		step(side);
		/* What lies in this struct's padding in C is nobody's business. */
		TRY(station_commit(&box, &value, NULL));
		TRY(station_unlock(&box));
		if (i == 0) {
			puts("stepped");
			fflush(stdout);
		}
	}
	TRY(station_close(&box));
	return 0;
}

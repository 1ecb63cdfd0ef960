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

static void print(void)
{
	unsigned long long flags = 0, low = 0, high = 0, mark = 0;

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
	printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)value.left, (unsigned long long)value.right, flags, low, high,
	       mark);
}

/* Prints what it reads, once a line of input. */
static int look(const char *key)
{
	int letter;

	TRY(station_open_read_only(&box, (key_t)strtoul(key, NULL, 0)));
	while ((letter = getchar()) != EOF) {
		if (letter != '\n')
			continue;
		memset(&value, 0xff, sizeof value);
		TRY(station_get(&box, &value, NULL));
		print();
		fflush(stdout);
	}
	TRY(station_close(&box));
	return 0;
}

#ifdef TABLE
static shmbox_table table;
static shmbox_seat seat;

/* Prints each row, once a line of input: its index and what it holds. */
static int look_at_rows(const char *key, int read_only)
{
	shmbox_options options;
	int letter, code;

	memset(&options, 0, sizeof options);
	options.read_only = read_only;
	TRY(station_table_open_with(&table, (key_t)strtoul(key, NULL, 0), &options));
	while ((letter = getchar()) != EOF) {
		shmbox_row row;

		if (letter != '\n')
			continue;
		memset(&row, 0, sizeof row);
		memset(&value, 0xff, sizeof value);
		while ((code = station_table_rows(&table, &row, &value)) == 1) {
			printf("%u: ", row.index);
			print();
			memset(&value, 0xff, sizeof value);
		}
		TRY(code);
		puts(".");
		fflush(stdout);
	}
	TRY(station_table_close(&table));
	return 0;
}

/* Has a row, and takes a step there once a line of input. */
static int own_a_row(const char *key)
{
	int letter;

	memset(&value, 0, sizeof value);
	value.left = UINT64_MAX;
#if VERSION >= 2
	value.flags = 0x59;
#endif
#if VERSION >= 3
	value.total.low = UINT64_MAX;
	value.total.high = UINT64_C(1) << 36;
#endif
#if VERSION >= 4
	for (letter = 0; letter < 3; letter++) {
		value.marks[letter].small = 1;
		value.marks[letter].large = 0xbeee;
	}
#endif
	step(0);
	TRY(station_table_open(&table, (key_t)strtoul(key, NULL, 0)));
	TRY(station_table_claim(&table, &value, &seat));
	printf("%u\n", seat.index);
	fflush(stdout);
	while ((letter = getchar()) != EOF) {
		if (letter != '\n')
			continue;
		step(0);
		TRY(station_table_set(&seat, &value, NULL));
		puts("stepped");
		fflush(stdout);
	}
	TRY(station_table_close(&table));
	return 0;
}
#endif

int main(int argc, char **argv)
{
	uint64_t version, before = 0;
	long times, i;
	int side;

#ifdef TABLE
	if (argc == 3)
		return strcmp(argv[1], "own") == 0 ? own_a_row(argv[2]) : look_at_rows(argv[2], strcmp(argv[1], "view") == 0);
#endif
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

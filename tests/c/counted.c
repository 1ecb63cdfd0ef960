/*
 * One process of the tests: counts in a row of a table of struct counted. Ends with 0, or prints what was not as it had to be and
 * ends with 1. Dies where the environment says.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stop_at.h"
#include "counted.h"

#include <fcntl.h>
#include <sys/mman.h>

static shmbox_table table;

static int failed(const char *what, int code)
{
	printf("%s: %d %s (errno %d)\n", what, code, shmbox_strerror(code), table.box.error);
	return 1;
}

#define TRY(call) do { int const code_ = (call); if (code_ != 0) return failed(#call, code_); } while (0)
#define CHECK(call, wanted) do { int const got_ = (call); if (got_ != (wanted)) return failed(#call, got_); } while (0)

/* Counts 8 in a row and 2 in another counter, between commits that change neither. */
static int once(void)
{
	struct counted value = { 1, 700, { 700, 700 }, 2 };
	shmbox_seat seat;
	uint64_t before;

	TRY(counted_table_claim(&table, &value, &seat));
	TRY(counted_table_add_served(&seat, 5, &before));
	if (before != 0)
		return failed("a new owner has counted", (int)before);
	TRY(counted_table_set(&seat, &value, NULL));
	stop_at("counted");
	TRY(counted_table_store_job(&seat, 9, NULL));
	TRY(counted_table_add_served(&seat, 3, &before));
	TRY(counted_table_add_lanes_at(&seat, 1, 2, NULL));
	CHECK(counted_table_add_lanes_at(&seat, 2, 2, NULL), SHMBOX_EARGUMENT);
	TRY(counted_table_get(&table, seat.index, seat.id, &value, NULL));
	if (before != 5 || value.served != 8 || value.lanes[0] != 0 || value.lanes[1] != 2 || value.job != 9)
		return failed("count", (int)value.served);
	TRY(counted_table_release(&seat));
	return 0;
}

/* For ever: a row for some additions, each noted before and after in a file of two words. */
static int count(const char *path)
{
	struct counted const value = { 1, 0, { 0, 0 }, 2 };
	int const file = open(path, O_RDWR);
	void *const mapped = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	volatile uint64_t *const journal = (volatile uint64_t *)mapped;
	shmbox_seat seat;
	int i;

	if (mapped == MAP_FAILED)
		return failed("journal", 0);
	for (;;) {
		TRY(counted_table_claim(&table, &value, &seat));
		for (i = 0; i < 50; i++) {
			journal[0]++;
			TRY(counted_table_add_served(&seat, 1, NULL));
			journal[1]++;
			TRY(counted_table_set(&seat, &value, NULL));
		}
		TRY(counted_table_release(&seat));
	}
}

int main(int argc, char **argv)
{
	int code;

	if (argc < 3)
		return 2;
	code = counted_table_open(&table, (key_t)strtoul(argv[2], NULL, 0));
	if (strcmp(argv[1], "refused") == 0) {
		CHECK(code, SHMBOX_EMISMATCH);
		return 0;
	}
	TRY(code);
	code = argc > 3 ? count(argv[3]) : once();
	TRY(counted_table_close(&table));
	return code;
}

/*
 * One process of the tests, in C or C++: does one thing to a table of struct row, as `shm_tests::table_act` does in Rust. Ends
 * with 0, or prints what was not as it had to be and ends with 1. Dies where the environment says.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stop_at.h"
#include "row.h"

#include <sys/wait.h>

static shmbox_table table;
static shmbox_seat seat;
static struct row value;

static int failed(const char *what, int code)
{
	printf("%s: %d %s (errno %d)\n", what, code, shmbox_strerror(code), table.box.error);
	return 1;
}

#define TRY(call) do { int const code_ = (call); if (code_ != 0) return failed(#call, code_); } while (0)
#define CHECK(call, wanted) do { int const got_ = (call); if (got_ != (wanted)) return failed(#call, got_); } while (0)

static const struct row *filled(uint64_t owner, uint64_t count)
{
	size_t i;

	value.owner = owner;
	value.count = count;
	for (i = 0; i < 6; i++)
		value.sums[i] = owner + count;
	return &value;
}

static int is_whole(const struct row *row)
{
	size_t i;

	for (i = 0; i < 6; i++)
		if (row->sums[i] != row->owner + row->count)
			return 0;
	return 1;
}

/* Prints each row: index, claim, owner, life, version, and what it holds. */
static int list(int judges)
{
	shmbox_row row;
	struct row found;
	int code;

	if (judges)
		TRY(row_table_look(&table));
	memset(&row, 0, sizeof row);
	while ((code = row_table_rows(&table, &row, &found)) == 1)
		printf("%u#%llu %u %s %llu %llu %llu%s\n", row.index, (unsigned long long)row.id, row.owner,
		       row.dead ? "dead" : "live", (unsigned long long)row.version, (unsigned long long)found.owner,
		       (unsigned long long)found.count, is_whole(&found) ? "" : " torn");
	return code == 0 ? 0 : failed("rows", code);
}

/* One claim with some commits, and a look at all rows. */
static int churn(uint64_t pid)
{
	struct row own;
	shmbox_row row;
	uint64_t count, before;
	int code = row_table_claim(&table, filled(pid, 0), &seat);

	if (code == SHMBOX_EFULL)
		return 0;
	TRY(code);
	for (count = 1; count <= 20; count++) {
		TRY(row_table_set(&seat, filled(pid, count), NULL));
		TRY(row_table_get(&table, seat.index, seat.id, &own, NULL));
		if (own.owner != pid || own.count != count || !is_whole(&own))
			return failed("another wrote to this row", 0);
	}
	if (seat.id % 8 == 0) {
		memset(&row, 0, sizeof row);
		while ((code = row_table_rows(&table, &row, &own)) == 1)
			if (!is_whole(&own))
				return failed("torn", 0);
		TRY(code);
		TRY(row_table_look(&table));
	}
	TRY(row_table_add_count(&seat, 0, &before));
	if (before != 20)
		return failed("an addition was lost", (int)before);
	TRY(row_table_release(&seat));
	return 0;
}

/* Each function for a field does its part, and no more. */
static int fields(uint64_t pid)
{
	struct row own;
	uint64_t version, next, before;

	TRY(row_table_claim(&table, filled(pid, 7), &seat));
	TRY(row_table_set(&seat, &value, &version));
	TRY(row_table_store_count(&seat, 8, &next));
	TRY(row_table_add_count(&seat, 5, &before));
	TRY(row_table_store_sums_at(&seat, 5, 1, NULL));
	if (before != 8 || next != version + 1)
		return failed("what it was", (int)before);
	TRY(row_table_get(&table, seat.index, seat.id, &own, &next));
	if (own.owner != pid || own.count != 13 || own.sums[4] != pid + 7 || own.sums[5] != 1 || next != version + 3)
		return failed("fields", (int)own.count);
	CHECK(row_table_store_sums_at(&seat, 6, 1, NULL), SHMBOX_EARGUMENT);
	TRY(row_table_release(&seat));
	CHECK(row_table_get(&table, seat.index, seat.id, &own, NULL), SHMBOX_ESTALE);
	CHECK(row_table_set(&seat, &own, NULL), SHMBOX_EARGUMENT);
	return 0;
}

/* A child's copy of a seat writes and frees nothing; it claims a row of its own. */
static int forked(void)
{
	shmbox_seat own;
	int status;
	pid_t child;

	TRY(row_table_claim(&table, filled(1, 0), &seat));
	child = fork();
	if (child == 0) {
		CHECK(row_table_set(&seat, filled(2, 0), NULL), SHMBOX_EFORKED);
		CHECK(row_table_store_owner(&seat, 7, NULL), SHMBOX_EFORKED);
		CHECK(row_table_release(&seat), SHMBOX_EFORKED);
		TRY(row_table_claim(&table, filled(3, 0), &own));
		if (own.index == seat.index)
			return failed("the parent's row", 0);
		CHECK(row_table_set(&seat, filled(2, 0), NULL), SHMBOX_EFORKED);
		return row_table_close(&table);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return failed("the child", status);
	TRY(row_table_set(&seat, filled(1, 1), NULL));
	TRY(list(1));
	return 0;
}

static int kinds(key_t key)
{
	shmbox box;
	struct row found;

	CHECK(row_open(&box, key), SHMBOX_ETABLE);
	CHECK(row_open_read_only(&box, key), SHMBOX_ETABLE);
	CHECK(row_create(&box, key, 0600, filled(1, 1)), SHMBOX_ETABLE);
	CHECK(row_get(&box, &found, NULL), SHMBOX_EARGUMENT);
	return 0;
}

static int run(const char *action, key_t key, uint64_t number)
{
	uint64_t const pid = (uint64_t)getpid();
	shmbox_seat all[64];
	int code, count = 0;

	if (strcmp(action, "list") == 0)
		return list(0);
	if (strcmp(action, "look") == 0)
		return row_table_look(&table) == 0 ? 0 : failed("look", 0);
	if (strcmp(action, "fields") == 0)
		return fields(pid);
	if (strcmp(action, "fork") == 0)
		return forked();
	if (strcmp(action, "kinds") == 0)
		return kinds(key);
	if (strcmp(action, "sit") == 0) {
		TRY(row_table_claim(&table, filled(pid, 0), &seat));
		while (value.count < number)
			TRY(row_table_set(&seat, filled(pid, value.count + 1), NULL));
		printf("%u#%llu\n", seat.index, (unsigned long long)seat.id);
		fflush(stdout);
		(void)getchar();
		return 0;
	}
	if (strcmp(action, "sit and set") == 0) {
		TRY(row_table_claim(&table, filled(pid, number), &seat));
		printf("%u\n", seat.index);
		fflush(stdout);
		(void)getchar();
		TRY(row_table_set(&seat, filled(pid, number + 1), NULL));
		printf("set\n");
		fflush(stdout);
		(void)getchar();
		return 0;
	}
	if (strcmp(action, "claim all") == 0) {
		while (count < 64 && (code = row_table_claim(&table, filled(number, 0), &all[count])) == 0)
			count++;
		CHECK(code, SHMBOX_EFULL);
		printf("%d\n", count);
		return count < 2;
	}
	if (strcmp(action, "claim and release") == 0) {
		TRY(row_table_claim(&table, filled(number, 0), &seat));
		TRY(row_table_set(&seat, filled(number, 1), NULL));
		TRY(row_table_set(&seat, filled(number, 2), NULL));
		return row_table_release(&seat);
	}
	if (strcmp(action, "churn") == 0)
		while (churn(pid) == 0)
			;
	return failed(action, 0);
}

int main(int argc, char **argv)
{
	key_t const key = argc > 3 ? (key_t)strtoul(argv[2], NULL, 0) : 0;
	shmbox_options const reads = { 1, 0, SHMBOX_TRUST_SELF, 0, 0 };
	int code;

	if (argc < 4)
		return 2;
	code = strncmp(argv[2], "file:", 5) == 0 ? row_table_open_file(&table, argv[2] + 5, NULL)
	       : strcmp(argv[1], "list") == 0    ? row_table_open_with(&table, key, &reads)
						 : row_table_open(&table, key);
	if (strcmp(argv[1], "no table") == 0) {
		CHECK(code, SHMBOX_ENOTABLE);
		return 0;
	}
	TRY(code);
	code = run(argv[1], key, strtoull(argv[3], NULL, 0));
	TRY(row_table_close(&table));
	return code;
}

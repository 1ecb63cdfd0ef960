/*
 * A worker of `examples/supervisor` in C: claims a row, and beats until it ends, however it ends.
 *
 *   cargo run --example supervisor -- header > worker.h
 *   cc -std=c11 -Wall -Wextra -Werror -pedantic -o worker_c worker.c
 *   ./worker_c 0x5eed0007 indexer
 */
#include "worker.h"

#include <stdio.h>
#include <time.h>

static struct timestamp now(void)
{
	struct timestamp now;
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	now.nanoseconds = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
	return now;
}

int main(int argc, char **argv)
{
	struct timespec const tenth = { 0, 100000000 };
	struct worker first = { 0 };
	struct timestamp seen;
	shmbox_table table;
	shmbox_seat seat;
	int code;

	if (argc != 3 || strlen(argv[2]) >= sizeof first.name)
		return 2;
	strcpy(first.name, argv[2]);
	strcpy(first.doing, "counting in C");
	first.seen = now();
	code = worker_table_open(&table, (key_t)strtoul(argv[1], NULL, 0));
	if (code == 0)
		code = worker_table_claim(&table, &first, &seat);
	while (code == 0) {
		code = worker_table_add_beats(&seat, 1, NULL);
		seen = now();
		if (code == 0)
			code = worker_table_store_seen(&seat, &seen, NULL);
		nanosleep(&tenth, NULL);
	}
	fprintf(stderr, "worker: %s\n", shmbox_strerror(code));
	worker_table_close(&table);
	return 1;
}

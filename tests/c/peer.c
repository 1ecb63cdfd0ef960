/*
 * One process of the tests, in C or C++: does one thing to one segment that holds a struct ledger, whose `words` are all
 * the same number. Ends with 0, or prints the code that it got and ends with 1. Dies where the environment says.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stop_at.h"

/* No more than the environment grants at once. */
static void *grant(size_t bytes)
{
	const char *const most = getenv("SHM_MOST_BYTES");

	return most != NULL && bytes > strtoul(most, NULL, 10) ? NULL : malloc(bytes);
}

#define malloc(bytes) (errno = ENOMEM, grant(bytes))
#include "ledger.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static shmbox box;
static struct ledger value;
static uint64_t version;

static int failed(const char *what, int code)
{
	printf("%s: %d %s (errno %d)\n", what, code, shmbox_strerror(code), box.error);
	return 1;
}

#define TRY(call) do { int const code_ = (call); if (code_ != 0) return failed(#call, code_); } while (0)
#define CHECK(call, wanted) do { int const got_ = (call); if (got_ != (wanted)) return failed(#call, got_); } while (0)

/* The number that the next descriptor gets. */
static int next_descriptor(void)
{
	int const next = open("/dev/null", O_RDONLY);

	close(next);
	return next;
}

static void fill(uint64_t number)
{
	size_t i;

	for (i = 0; i < sizeof value.words / sizeof value.words[0]; i++)
		value.words[i] = number;
	value.tag = (uint8_t)number;
	value.small = (uint16_t)number;
}

static int is_whole(void)
{
	uint64_t const number = value.words[0];
	size_t i;

	for (i = 0; i < sizeof value.words / sizeof value.words[0]; i++)
		if (value.words[i] != number)
			return 0;
	return value.tag == (uint8_t)number && value.small == (uint16_t)number;
}

static int print(void)
{
	printf("%llu %llu%s\n", (unsigned long long)value.words[0], (unsigned long long)version, is_whole() ? "" : " torn");
	fflush(stdout);
	return !is_whole();
}

/* What this process intends and what it has done, in memory that outlives it. */
static volatile uint64_t *open_journal(const char *path)
{
	int const file = open(path, O_RDWR);
	void *page;

	if (file < 0)
		return NULL;
	page = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	return page == MAP_FAILED ? NULL : (volatile uint64_t *)page;
}

/* Adds 1 to the number, so many times; all words and the version are read and written under the lock. */
static int count(uint64_t times, const char *path)
{
	volatile uint64_t *const journal = path == NULL ? NULL : open_journal(path);
	uint64_t i;

	if (path != NULL && journal == NULL)
		return failed("journal", 0);
	for (i = 0; i < times; i++) {
		TRY(ledger_lock(&box));
		TRY(ledger_load(&box, &value));
		if (!is_whole())
			return failed("torn under the lock", 0);
		fill(value.words[0] + 1);
		if (journal != NULL)
			journal[0] = i + 1;
		TRY(ledger_commit(&box, &value, &version));
		if (journal != NULL)
			journal[1] = i + 1;
		TRY(ledger_unlock(&box));
	}
	return print();
}

/* Reads until the number is at least `last`; says how often. */
static int watch(uint64_t last)
{
	uint64_t reads = 0, torn = 0, back = 0, before = 0;

	do {
		TRY(ledger_get(&box, &value, &version));
		reads++;
		torn += !is_whole();
		back += version < before;
		before = version;
	} while (value.words[0] < last);
	printf("%llu reads, %llu torn, %llu back\n", (unsigned long long)reads, (unsigned long long)torn,
	       (unsigned long long)back);
	return torn != 0 || back != 0;
}

/* Waits for odd numbers, and answers with the next even one. */
static int answer(uint64_t rounds)
{
	uint64_t i;

	TRY(ledger_get(&box, &value, &version));
	puts("ready");
	fflush(stdout);
	for (i = 0; i < rounds; i++) {
		while (value.words[0] % 2 == 0) {
			TRY(ledger_wait(&box, version, 10000));
			TRY(ledger_get(&box, &value, &version));
		}
		fill(value.words[0] + 1);
		TRY(ledger_set(&box, &value, &version));
	}
	return 0;
}

/* Leaves its IPC namespace while it holds the lock, and goes on counting until it learns of it. Says how often it did. */
static int leave(void)
{
	uint64_t done = 0;
	int code;

	TRY(ledger_lock(&box));
	TRY(ledger_load(&box, &value));
	if (syscall(SYS_unshare, 0x08000000 /* CLONE_NEWIPC */) != 0 &&
	    syscall(SYS_unshare, 0x18000000 /* and CLONE_NEWUSER */) != 0)
		return failed("unshare", 0);
	puts("left");
	fflush(stdout);
	(void)getchar();
	/* A judge that takes it for dead has some time to show it. */
	usleep(3000);
	fill(value.words[0] + 1);
	TRY(ledger_commit(&box, &value, &version));
	do {
		done++;
		code = ledger_unlock(&box);
		if (code == 0)
			code = ledger_lock(&box);
		if (code == 0)
			code = ledger_load(&box, &value);
		if (code == 0) {
			if (!is_whole())
				return failed("torn under the lock", 0);
			fill(value.words[0] + 1);
			code = ledger_commit(&box, &value, &version);
		}
	} while (code == 0 && done < 5000);
	if (code != SHMBOX_ELEFT)
		return failed("not told that it has left", code);
	TRY(ledger_get(&box, &value, NULL));
	printf("%llu\n", (unsigned long long)done);
	return 0;
}

/* Waits in a new IPC namespace, where the segment's id leads to another one, which is marked for removal. */
static int stray(void)
{
	struct shmid_ds facts;
	void *base;
	int id, tries = 0;

	TRY(ledger_version(&box, &version));
	if (syscall(SYS_unshare, 0x08000000 /* CLONE_NEWIPC */) != 0 &&
	    syscall(SYS_unshare, 0x18000000 /* and CLONE_NEWUSER */) != 0)
		return failed("unshare", 0);
	/* Ids are given one after the other. */
	while ((id = shmget(IPC_PRIVATE, 64, IPC_CREAT | 0600)) != box.id && tries++ < 32768)
		shmctl(id, IPC_RMID, NULL);
	if (id != box.id) {
		puts("unreached");
		return 0;
	}
	base = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	CHECK(ledger_wait(&box, version, 600), SHMBOX_ETIMEDOUT);
	CHECK(shmbox_is_orphan_(&box), SHMBOX_ELEFT);
	TRY(ledger_get(&box, &value, &version));
	TRY(ledger_close(&box));
	TRY(shmctl(id, IPC_STAT, &facts));
	shmdt(base);
	puts("told nothing");
	return 0;
}

/* Counts until its input ends. Says how often it did. */
static int stay_on(void)
{
	int const flags = fcntl(0, F_GETFL);
	uint64_t done = 0;
	char byte;

	if (fcntl(0, F_SETFL, flags | O_NONBLOCK) != 0)
		return failed("fcntl", 0);
	while (read(0, &byte, 1) != 0) {
		TRY(ledger_lock(&box));
		TRY(ledger_load(&box, &value));
		if (!is_whole())
			return failed("torn under the lock", 0);
		fill(value.words[0] + 1);
		TRY(ledger_commit(&box, &value, &version));
		TRY(ledger_unlock(&box));
		done++;
	}
	printf("%llu\n", (unsigned long long)done);
	return 0;
}

static int in_handler = 1;

static void on_signal(int number)
{
	struct ledger other;

	(void)number;
	memset(&other, 0, sizeof other);
	in_handler = ledger_set(&box, &other, NULL);
}

/* Sets the number; at a step, the handler of a signal sets 0 by the same handle. Says what came of that. */
static int interrupted(uint64_t number, const char *step)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	if (sigaction(SIGUSR1, &action, NULL) != 0)
		return failed("sigaction", 0);
	signal_at = step;
	fill(number);
	TRY(ledger_set(&box, &value, NULL));
	TRY(ledger_get(&box, &value, &version));
	printf("%d ", in_handler);
	return print();
}

/* Forks under the lock, and waits to be killed. The child lives on with the handle, and writes by it once it is told to. */
static int orphan(void)
{
	char line[16];

	TRY(ledger_lock(&box));
	if (fork() != 0)
		for (;;)
			pause();
	puts("forked");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		return 0;
	CHECK(ledger_unlock(&box), SHMBOX_EFORKED);
	TRY(count(5, NULL));
	return 0;
}

/* Closes every descriptor but the first three under the lock, as daemons do, opens others, and goes on. */
static int shut(void)
{
	char line[16];
	int others[16], i;

	TRY(ledger_lock(&box));
	TRY(ledger_load(&box, &value));
	for (i = 3; i < 64; i++)
		close(i);
	for (i = 0; i < 16; i++)
		others[i] = open("/dev/null", O_RDONLY);
	puts("shut");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		return 1;
	fill(value.words[0] + 1);
	TRY(ledger_commit(&box, &value, NULL));
	TRY(ledger_unlock(&box));
	TRY(count(2000, NULL));
	TRY(ledger_close(&box));
	for (i = 0; i < 16; i++)
		if (fcntl(others[i], F_GETFD) < 0)
			return failed("it closed another's descriptor", others[i]);
	return 0;
}

/* A child has the memory of its parent and not its lock. */
static int forked(void)
{
	int status, to_child[2], to_parent[2];
	char byte = 0;
	pid_t child;

	if (pipe(to_child) != 0 || pipe(to_parent) != 0)
		return failed("pipe", 0);
	TRY(ledger_lock(&box));
	TRY(ledger_load(&box, &value));
	child = fork();
	/* So that each hears of the other's end. */
	close(child == 0 ? to_child[1] : to_parent[1]);
	if (child == 0) {
		fill(1000);
		CHECK(ledger_commit(&box, &value, NULL), SHMBOX_EFORKED);
		CHECK(ledger_unlock(&box), SHMBOX_EFORKED);
		CHECK(ledger_unlock(&box), SHMBOX_EUNLOCKED);
		TRY(ledger_get(&box, &value, NULL));
		box.limit_ms = 20;
		CHECK(ledger_set(&box, &value, NULL), SHMBOX_EBUSY);
		if (write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1)
			return failed("pipe", 0);
		box.limit_ms = 0;
		TRY(count(5, NULL));
		TRY(ledger_close(&box));
		return 0;
	}
	if (read(to_parent[0], &byte, 1) != 1)
		return failed("the child gave up", 0);
	fill(value.words[0] + 1);
	TRY(ledger_commit(&box, &value, NULL));
	TRY(ledger_unlock(&box));
	if (write(to_child[1], &byte, 1) != 1)
		return failed("pipe", 0);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return failed("the child", status);
	/* The child has closed its handle: that took nothing from this one. */
	return count(5, NULL);
}

/* What the handle says to whoever uses it wrongly. */
static int misuse(key_t key)
{
	shmbox view, other;

	CHECK(ledger_unlock(&box), SHMBOX_EUNLOCKED);
	CHECK(ledger_load(&box, &value), SHMBOX_EUNLOCKED);
	CHECK(ledger_commit(&box, &value, NULL), SHMBOX_EUNLOCKED);
	TRY(ledger_lock(&box));
	CHECK(ledger_lock(&box), SHMBOX_EREENTRANT);
	CHECK(ledger_set(&box, &value, NULL), SHMBOX_EREENTRANT);
	TRY(ledger_unlock(&box));
	TRY(ledger_open_read_only(&view, key));
	TRY(ledger_get(&view, &value, &version));
	CHECK(ledger_set(&view, &value, NULL), SHMBOX_EREADONLY);
	CHECK(ledger_lock(&view), SHMBOX_EREADONLY);
	CHECK(ledger_wait(&view, version, 5), SHMBOX_ETIMEDOUT);
	CHECK(ledger_wait(&box, version, 0), SHMBOX_ETIMEDOUT);
	CHECK(ledger_open(&other, 0), SHMBOX_EARGUMENT);
	CHECK(ledger_get(&other, &value, NULL), SHMBOX_EARGUMENT);
	TRY(ledger_close(&other));
	TRY(ledger_close(&view));
	CHECK(ledger_get(&view, &value, NULL), SHMBOX_EARGUMENT);
	TRY(ledger_close(&view));
	return 0;
}

/* Adds 1 to one word, so many times. */
static int bump(uint64_t times, const char *path)
{
	volatile uint64_t *const journal = open_journal(path);
	uint64_t i;

	if (journal == NULL)
		return failed("journal", 0);
	for (i = 0; i < times; i++) {
		journal[0] = i + 1;
		TRY(ledger_add_words_at(&box, 7, 1, NULL));
		journal[1] = i + 1;
	}
	return 0;
}

/* Each function for a field does its part, and no more. */
static int fields(key_t key)
{
	uint64_t words[61] = { 0 }, word;
	uint16_t small;
	shmbox view;

	TRY(ledger_open_read_only(&view, key));
	fill(5);
	TRY(ledger_set(&box, &value, &version));
	TRY(ledger_store_small(&box, 0xfffe, &version));
	TRY(ledger_add_small(&box, 7, &small));
	if (small != 0xfffe)
		return failed("what it was", small);
	TRY(ledger_load_small(&view, &small));
	if (small != 5)
		return failed("it wraps", small);
	TRY(ledger_store_words_at(&box, 60, 9, &version));
	TRY(ledger_add_words_at(&box, 60, UINT64_MAX, NULL));
	TRY(ledger_load_words_at(&view, 60, &word));
	TRY(ledger_load_words(&view, &words));
	if (word != 8 || words[60] != 8 || words[59] != 5)
		return failed("words", (int)word);
	words[60] = 5;
	TRY(ledger_store_words(&box, &words, NULL));
	TRY(ledger_get(&view, &value, NULL));
	if (!is_whole())
		return failed("another field was changed", 0);
	CHECK(ledger_store_words_at(&box, 61, 9, &version), SHMBOX_EARGUMENT);
	CHECK(ledger_load_words_at(&box, 61, &word), SHMBOX_EARGUMENT);
	CHECK(ledger_add_words_at(&box, SIZE_MAX, 1, NULL), SHMBOX_EARGUMENT);
	CHECK(ledger_store_tag(&view, 1, NULL), SHMBOX_EREADONLY);
	CHECK(ledger_add_tag(&view, 1, NULL), SHMBOX_EREADONLY);
	TRY(ledger_lock(&box));
	CHECK(ledger_store_tag(&box, 1, NULL), SHMBOX_EREENTRANT);
	CHECK(ledger_add_tag(&box, 1, NULL), SHMBOX_EREENTRANT);
	TRY(ledger_unlock(&box));
	TRY(ledger_close(&view));
	CHECK(ledger_load_tag(&view, &value.tag), SHMBOX_EARGUMENT);
	return 0;
}

/* For each key that it is told: opens or creates, with its own number. */
static int create_rounds(void)
{
	char line[64];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		fill((uint64_t)getpid());
		TRY(ledger_open_or_create(&box, (key_t)strtoul(line, NULL, 0), 0600, &value));
		TRY(ledger_get(&box, &value, &version));
		printf("%s ", box.created ? "true" : "false");
		if (!is_whole())
			return failed("torn", 0);
		printf("%llu\n", (unsigned long long)value.words[0]);
		fflush(stdout);
		TRY(ledger_close(&box));
	}
	return 0;
}

/* Takes the lock and starts this program anew in the same process, with `rest` of the arguments. */
static int reborn(char **rest)
{
	TRY(ledger_lock(&box));
	TRY(ledger_load(&box, &value));
	execv(rest[0], rest);
	return failed("execv", 0);
}

static int run(int argc, char **argv, key_t key)
{
	const char *const action = argv[1];
	uint64_t const number = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;

	if (strcmp(action, "get") == 0 || strcmp(action, "born") == 0 || strcmp(action, "create") == 0) {
		if (argc > 4)
			printf("%s ", box.created ? "true" : "false");
		TRY(ledger_get(&box, &value, &version));
		return print();
	}
	if (strcmp(action, "set") == 0) {
		fill(number);
		TRY(ledger_set(&box, &value, &version));
		return print();
	}
	if (strcmp(action, "persist") == 0) {
		/* What it says after that survives the machine, what it sets then does not: it ends without closing. */
		fill(number);
		TRY(ledger_set(&box, &value, &version));
		TRY(ledger_persist(&box));
		print();
		fill(number + 1);
		TRY(ledger_set(&box, &value, &version));
		fflush(stdout);
		_exit(0);
	}
	if (strcmp(action, "commit") == 0) {
		TRY(ledger_lock(&box));
		fill(number);
		TRY(ledger_commit(&box, &value, &version));
		TRY(ledger_commit(&box, &value, &version));
		TRY(ledger_unlock(&box));
		return print();
	}
	if (strcmp(action, "store") == 0) {
		TRY(ledger_store_words_at(&box, 7, number, &version));
		return 0;
	}
	if (strcmp(action, "add") == 0) {
		TRY(ledger_add_words_at(&box, 7, number, NULL));
		return 0;
	}
	if (strcmp(action, "bump") == 0)
		return bump(number, argv[4]);
	if (strcmp(action, "fields") == 0)
		return fields(key);
	if (strcmp(action, "hold") == 0) {
		/* Until its input ends. */
		TRY(ledger_lock(&box));
		puts("locked");
		fflush(stdout);
		(void)getchar();
		TRY(ledger_unlock(&box));
		return 0;
	}
	if (strcmp(action, "stay") == 0) {
		/* Sets the number when it is told to, line by line. */
		char line[64];

		TRY(ledger_get(&box, &value, &version));
		print();
		while (fgets(line, sizeof line, stdin) != NULL) {
			int code = 0;

			if (line[0] != '\n') {
				fill(strtoull(line, NULL, 0));
				code = ledger_set(&box, &value, NULL);
			}
			if (code == 0)
				code = ledger_get(&box, &value, &version);
			if (code == 0)
				print();
			else
				failed("stay", code);
			fflush(stdout);
		}
		return 0;
	}
	if (strcmp(action, "wait") == 0) {
		TRY(ledger_version(&box, &version));
		puts("waiting");
		fflush(stdout);
		TRY(ledger_wait(&box, version, number == 0 ? -1 : (int)number));
		TRY(ledger_get(&box, &value, &version));
		return print();
	}
	if (strcmp(action, "count") == 0)
		return count(number, argc > 4 ? argv[4] : NULL);
	if (strcmp(action, "watch") == 0)
		return watch(number);
	if (strcmp(action, "answer") == 0)
		return answer(number);
	if (strcmp(action, "leave") == 0)
		return leave();
	if (strcmp(action, "stray") == 0)
		return stray();
	if (strcmp(action, "stay on") == 0)
		return stay_on();
	if (strcmp(action, "interrupt") == 0)
		return interrupted(number, argv[4]);
	if (strcmp(action, "fork") == 0)
		return forked();
	if (strcmp(action, "orphan") == 0)
		return orphan();
	if (strcmp(action, "shut") == 0)
		return shut();
	if (strcmp(action, "misuse") == 0)
		return misuse(key);
	if (strcmp(action, "exec") == 0)
		return reborn(argv + 3);
	printf("no action %s\n", action);
	return 2;
}

int main(int argc, char **argv)
{
	shmbox_options options;
	key_t key;
	int code, next, result;

	if (argc < 3)
		return 2;
	/* With so short a limit nothing takes long. */
	if (getenv("SHM_LIMIT_MS") != NULL || strcmp(argv[1], "leave") == 0 || strcmp(argv[1], "stay on") == 0)
		alarm(60);
	memset(&options, 0, sizeof options);
	options.read_only = strcmp(argv[1], "get") == 0 || strcmp(argv[1], "watch") == 0 ||
			    strcmp(argv[1], "stray") == 0;
	options.limit_ms = getenv("SHM_LIMIT_MS") == NULL ? 0 : atoi(getenv("SHM_LIMIT_MS"));
	options.trust = getenv("SHM_TRUST") == NULL ? SHMBOX_TRUST_SELF : SHMBOX_TRUST_ANYBODY;
	key = (key_t)strtoul(argv[2], NULL, 0);
	if (strcmp(argv[1], "create rounds") == 0)
		return create_rounds();
	next = next_descriptor();
	if (getenv("SHM_NO_SPACE") != NULL) {
		struct rlimit const none = { 0, 0 };

		if (setrlimit(RLIMIT_AS, &none) != 0)
			return failed("setrlimit", 0);
	}
	if (argc > 4 && argv[2][0] == '/' && (strcmp(argv[1], "born") == 0 || strcmp(argv[1], "create") == 0)) {
		fill(strtoull(argv[3], NULL, 0));
		code = (argv[1][0] == 'b' ? ledger_open_or_create_file : ledger_create_file)(&box, argv[2], (int)strtol(argv[4], NULL, 8),
											      &value);
	} else if (argc > 4 && strcmp(argv[1], "born") == 0) {
		fill(strtoull(argv[3], NULL, 0));
		code = ledger_open_or_create(&box, key, (int)strtol(argv[4], NULL, 8), &value);
	} else if (argc > 4 && strcmp(argv[1], "create") == 0) {
		fill(strtoull(argv[3], NULL, 0));
		code = ledger_create(&box, key, (int)strtol(argv[4], NULL, 8), &value);
	} else if (argv[2][0] == '/') {
		options.mode = getenv("SHM_MODE") == NULL ? 0 : (int)strtol(getenv("SHM_MODE"), NULL, 8);
		code = ledger_open_file(&box, argv[2], &options);
	} else {
		code = ledger_open_with(&box, key, &options);
	}
	if (code != 0 && getenv("SHM_NO_SPACE") == NULL && next_descriptor() != next)
		return failed("it left a descriptor open", code);
	if (code != 0)
		return failed("open", code);
	/* From now on it has no right to segment and semaphores. */
	if (getenv("SHM_USER") != NULL && (setgid(65534) != 0 || setuid(65534) != 0))
		return failed("setuid", 0);
	result = run(argc, argv, key);
	code = ledger_close(&box);
	return code == 0 ? result : failed("close", code);
}

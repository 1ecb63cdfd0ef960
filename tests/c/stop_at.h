/*
 * Steps at which a program of the tests dies, stops or gets a signal. It comes before the header of a shared type, and after
 * <signal.h>, <stdlib.h> and <string.h>.
 */

/* Where a signal is to come, if any: for once. */
static const char *signal_at;

/* SHM_STOP="2 commit: odd": by SIGKILL, the second time that it comes there. */
static inline void stop_at(const char *step)
{
	static int passed;
	const char *wanted = getenv("SHM_STOP");
	char *name;
	long pass;

	if (signal_at != NULL && strcmp(signal_at, step) == 0) {
		signal_at = NULL;
		raise(SIGUSR1);
	}
	/* SHM_PAUSE="commit: odd": until SIGCONT, each time. */
	if (getenv("SHM_PAUSE") != NULL && strcmp(getenv("SHM_PAUSE"), step) == 0)
		raise(SIGSTOP);
	if (wanted == NULL)
		return;
	pass = strtol(wanted, &name, 10);
	if (strcmp(name + 1, step) == 0 && ++passed == pass)
		raise(SIGKILL);
}
#define SHMBOX_STOP(step) stop_at(step)

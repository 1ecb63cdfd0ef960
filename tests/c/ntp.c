/* Feeds and reads a unit of NTP's shared clock as fast as it can, as gpsd and chronyd do:
 * ntp KEY MODE feed|read COUNT. Samples count up from 1; all fields of one have its number. Feeds until dummy[0] is set.
 * Prints what went wrong. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>

struct shmTime {
    int mode;
    volatile int count;
    time_t clockTimeStampSec;
    int clockTimeStampUSec;
    time_t receiveTimeStampSec;
    int receiveTimeStampUSec;
    int leap;
    int precision;
    int nsamples;
    volatile int valid;
    unsigned clockTimeStampNSec;
    unsigned receiveTimeStampNSec;
    int dummy[8];
};

static volatile struct shmTime *unit;

/* As gpsd's memory_barrier(). */
static void barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static int holds(const volatile struct shmTime *t, long n)
{
    unsigned fine = (unsigned)(n % 1000000000);
    return t->clockTimeStampSec == n && t->receiveTimeStampSec == n && t->clockTimeStampNSec == fine &&
           t->receiveTimeStampNSec == fine && t->clockTimeStampUSec == (int)(fine / 1000) &&
           t->receiveTimeStampUSec == (int)(fine / 1000) && t->leap == (int)(n % 4) && t->precision == (int)-(n % 30);
}

/* Of all lengths, in a sample and behind it, so that each step of a copy meets each step in here. */
static void nap(long n, int here)
{
    if (here)
        for (volatile long i = n % 32768; i > 0; i--)
            ;
}

static void put(long n)
{
    unsigned fine = (unsigned)(n % 1000000000);
    unit->clockTimeStampSec = n;
    nap(n, n & 1);
    unit->clockTimeStampUSec = (int)(fine / 1000);
    unit->clockTimeStampNSec = fine;
    unit->receiveTimeStampSec = n;
    unit->receiveTimeStampUSec = (int)(fine / 1000);
    unit->receiveTimeStampNSec = fine;
    unit->leap = (int)(n % 4);
    unit->precision = (int)-(n % 30);
}

static void feed(int mode, long count)
{
    long overwritten = 0;
    unit->mode = mode;
    for (long n = 1; n <= count; n++) {
        if (mode == 0) {
            while (unit->valid)
                sched_yield();
            barrier();
            put(n);
        } else {
            if (n > 1 && !holds(unit, n - 1))
                overwritten++;
            unit->valid = 0;
            barrier();
            unit->count++;
            barrier();
            put(n);
            barrier();
            unit->count++;
        }
        barrier();
        unit->valid = 1;
        nap(n, !(n & 1));
        if (unit->dummy[0])
            break;
    }
    printf("overwritten %ld\n", overwritten);
}

/* Until the last sample, which stays when the feeder has ended. */
static void take(int mode, long count)
{
    long taken = 0, torn = 0, lost = 0, last = 0;
    while (last < count) {
        struct shmTime t;
        int first = unit->count;
        barrier();
        if (!unit->valid) {
            sched_yield();
            continue;
        }
        barrier();
        memcpy(&t, (const void *)unit, sizeof t);
        barrier();
        if (mode == 1 && unit->count != first)
            continue;
        unit->valid = 0;
        long n = (long)t.clockTimeStampSec;
        taken++;
        torn += !holds(&t, n);
        lost += n != last + 1;
        last = n;
    }
    printf("taken %ld torn %ld lost %ld\n", taken, torn, mode == 0 ? lost : 0);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int id = shmget((key_t)strtoul(argv[1], NULL, 0), sizeof *unit, IPC_CREAT | 0666);
    unit = (volatile struct shmTime *)(id < 0 ? (void *)-1 : shmat(id, NULL, 0));
    if (unit == (void *)-1) {
        perror(argv[1]);
        return 1;
    }
    int mode = atoi(argv[2]);
    long count = atol(argv[4]);
    puts("ready");
    fflush(stdout);
    getchar();
    if (strcmp(argv[3], "feed") == 0)
        feed(mode, count);
    else
        take(mode, count);
    return 0;
}

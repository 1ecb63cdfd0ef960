/* A header as programs have had it for years. `bindgen` makes a shared type of the struct: see tests/tests/languages/bindgen.rs. */
#include <stdbool.h>
#include <stdint.h>

#define STATION_NAME 51

enum station_mode { STATION_OFF, STATION_ON = 7 };

struct position {
	double latitude, longitude;
};

struct station {
	int pid;
	char name[STATION_NAME];
	uint8_t flags;
	enum station_mode mode;
	struct position where;
	bool visible;
	uint16_t grid[2][3];
	int64_t seen;
};

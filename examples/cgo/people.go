// A program in Go that shares struct st_pid with Rust, C and Python: people.c has the protocol, by the generated header.
//
//	cargo run --example st_pid -- alice
//	cd examples/cgo && go run . 0x1234 bob
package main

/*
#include <stdlib.h>
#include "people.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"
)

func failed(code C.int) error {
	if code == 0 {
		return nil
	}
	return errors.New(C.GoString(C.people_error(code)))
}

func run(key, name string) error {
	// A handle is for one thread at a time, and goroutines change threads.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	number, err := strconv.ParseUint(key, 0, 32)
	if err != nil {
		return err
	}
	var people *C.people
	if err := failed(C.people_open(C.uint32_t(number), &people)); err != nil {
		return err
	}
	defer C.people_close(people)
	var pid C.int32_t
	var version C.uint64_t
	var before [51]C.char
	if err := failed(C.people_get(people, &pid, &before[0], &version)); err != nil {
		return err
	}
	fmt.Printf("version %d: pid=%d,name=%s\n", version, pid, C.GoString(&before[0]))
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if err := failed(C.people_put(people, text, &version)); err != nil {
		return err
	}
	fmt.Printf("version %d is %s\n", version, name)
	return nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: people KEY NAME")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "people:", err)
		os.Exit(1)
	}
}

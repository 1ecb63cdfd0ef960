#![allow(dead_code)]
// Types with the names of the standard library's, which are plain data all the same.

use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Vec<T> {
    len: u32,
    items: [T; 4],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Option {
    None,
    Some,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct String([u8; 16]);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Outer<T> {
    items: Vec<T>,
    texts: [Vec<String>; 2],
    option: Option,
}

shm_core::assert_shared!(Outer<String>);

fn main() {}

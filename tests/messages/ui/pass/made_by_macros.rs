#![allow(dead_code)]

use shm_core::SharedLayout;

macro_rules! int {
    () => { i32 };
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct TypeByMacro {
    value: int!(),
    array: [int!(); 2],
}

macro_rules! record {
    ($(#[$meta:meta])* $name:ident<$param:ident> { $($field:ident: $ty:ty),* }, $align:literal, $version:literal) => {
        $(#[$meta])*
        #[derive(SharedLayout, Clone, Copy)]
        #[repr(align($align))]
        #[shared(version = $version)]
        struct $name<$param> {
            $($field: $ty,)*
            made_here: u8,
            param: $param,
        }
    };
}

record!(#[repr(C)] Record<T> { pid: i32, pairs: [u16; 2], many: [T; 3] }, 16, 4);

shm_core::assert_shared!(Record<f32>);

macro_rules! listed {
    ($repr:meta, $krate:path, $len:expr, $($variant:ident = $value:expr),*) => {
        #[derive(SharedLayout, Clone, Copy)]
        #[$repr]
        #[shared(crate = $krate)]
        enum Listed { $($variant = $value),* }

        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        struct List([Listed; $len]);
    };
}

macro_rules! evolved {
    ($field:ident: $ty:ty = $default:expr, $since:literal, $was:literal) => {
        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        #[shared(version = $since)]
        struct Evolved {
            #[shared(was = $was)]
            made_here: u8,
            #[shared(since = $since, default = $default)]
            $field: $ty,
        }
    };
}

evolved!(pair: [u16; 2] = [1 + 2, 4], 2, "before");

listed!(repr(u8), ::shm_core, 1 + 2, A = 1, B = 1 + 1);

fn main() {
    assert_eq!(<Record<u8>>::SCHEMA.version(), Some(4));
    assert_eq!(<Record<u8>>::SCHEMA.fields().len(), 5);
    assert_eq!(<Record<u8>>::SCHEMA.align(), 16);
    assert_eq!(Evolved::SCHEMA.fields()[0].former_names().next(), Some("before"));
    let mut found = Vec::new();
    Evolved::for_each_missing(1, &mut |offset, bytes: &[u8]| found.push((offset, bytes.to_vec())));
    let pair = [3_u16, 4].map(u16::to_ne_bytes).concat();
    assert_eq!(found, [(2, pair)]);
}

#![allow(dead_code)]

use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed)]
struct Packed(u8, u64, char, [Meters; 3]);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed(2))]
struct Packed2(u8, u64);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[repr(packed)]
struct InTwoAttributes(u8, u64);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, align(64))]
struct Line(u8);

#[derive(SharedLayout, Clone, Copy)]
#[r#repr(C, align(0x10))]
struct Raw(u8);

#[derive(SharedLayout, Clone, Copy)]
#[cfg_attr(all(), repr(C))]
struct ByCfgAttr(u8);

#[derive(SharedLayout, Clone, Copy)]
#[repr(transparent)]
struct Meters(f64);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Wide(Line, [Meters; 3]);

const BASE: i8 = -5;

#[derive(SharedLayout, Clone, Copy)]
#[repr(i8)]
enum Computed {
    A = BASE * 2,
    B,
    C = const { (BASE as i16 + 6) as i8 },
    r#Type = 100,
}

macro_rules! enums {
    ($($repr:ident)+) => { $(const _: () = {
        #[derive(SharedLayout, Clone, Copy)]
        #[repr($repr)]
        enum Mode { Zero, One, Max = $repr::MAX as $repr }
        shm_core::assert_shared!(Mode);
    };)+ };
}
enums!(u8 u16 u32 u64 i8 i16 i32 i64 i128);

fn main() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct InAFunction {
        r#type: Computed,
        all: [bool; 1000],
    }
    assert_eq!(InAFunction::SCHEMA.fields()[0].name(), "type");
}

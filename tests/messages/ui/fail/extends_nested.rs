use shm_core::{SharedLayout, assert_extends};

macro_rules! version {
    ($(#[$attr:meta])* $name:ident = $version:literal { $($field:ident: $type:ty,)+ }) => {
        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        #[shared(version = $version)]
        $(#[$attr])*
        struct $name {
            $($field: $type,)+
        }
    };
}

version!(Pos = 2 { x: i32, y: i32, });
version!(Value = 1 { pos: Pos, track: [[Pos; 2]; 3], });

version!(GrownPos = 3 { x: i32, y: i32, z: i32, });
version!(Grown = 2 { pos: GrownPos, track: [[Pos; 2]; 3], });
assert_extends!(Grown, Value);

version!(FloatPos = 3 { x: i32, y: f32, });
version!(RetypedInside = 2 { pos: Pos, track: [[FloatPos; 2]; 3], });
assert_extends!(RetypedInside, Value);

version!(#[repr(align(16))] WidePos = 3 { x: i32, y: i32, });
version!(Aligned = 2 { pos: WidePos, track: [[Pos; 2]; 3], });
assert_extends!(Aligned, Value);

version!(OlderPos = 1 { x: i32, y: i32, });
version!(Older = 2 { pos: OlderPos, track: [[Pos; 2]; 3], });
assert_extends!(Older, Value);

version!(MoreElements = 2 { pos: Pos, track: [[Pos; 2]; 4], });
assert_extends!(MoreElements, Value);

fn main() {}

use shm_core::{SharedLayout, assert_extends};

macro_rules! value {
    ($name:ident = $version:literal { $mode:ident: $repr:ident { $($variant:ident = $value:literal,)+ } }) => {
        #[derive(SharedLayout, Clone, Copy)]
        #[repr($repr)]
        enum $mode {
            $($variant = $value,)+
        }

        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        #[shared(version = $version)]
        struct $name {
            pid: i32,
            modes: [$mode; 2],
        }
    };
}

value!(Value = 1 { Mode: i8 { Idle = -1, Busy = 0, Done = 1, } });

value!(Removed = 2 { RemovedMode: i8 { Busy = 0, Done = 1, } });
assert_extends!(Removed, Value);

value!(Renumbered = 2 { RenumberedMode: i8 { Idle = -1, Paused = 0, Busy = 1, Done = 2, } });
assert_extends!(Renumbered, Value);

value!(Reordered = 2 { ReorderedMode: i8 { Busy = 0, Idle = -1, Done = 1, } });
assert_extends!(Reordered, Value);

value!(Wider = 2 { WiderMode: i16 { Idle = -1, Busy = 0, Done = 1, } });
assert_extends!(Wider, Value);

fn main() {}

use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Pointing {
    raw: *const u8,
    raw_mut: *mut core::ffi::c_void,
    call: fn(i32) -> i32,
    c_call: unsafe extern "C" fn(),
    object: Box<dyn Send>,
    array: [*const u8; 2],
    non_null: core::ptr::NonNull<u8>,
}

fn main() {}

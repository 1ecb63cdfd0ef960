#![allow(non_camel_case_types)]

//! What `bindgen` makes of them where nothing is told.

use shm_core::{Opaque, SharedLayout};

#[derive(Clone, Copy)]
#[repr(C)]
pub struct __BindgenBitfieldUnit<Storage> {
    storage: Storage,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct __BindgenComplex<T> {
    re: T,
    im: T,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct __IncompleteArrayField<T>(::std::marker::PhantomData<T>, [T; 0]);

#[derive(Clone, Copy)]
#[repr(C)]
pub union pthread_mutex_t {
    __size: [::std::os::raw::c_char; 40usize],
    __align: ::std::os::raw::c_long,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub union job_queue__bindgen_ty_1 {
    pid: ::std::os::raw::c_int,
    handle: *mut ::std::os::raw::c_void,
}

pub type atomic_uint = ::std::os::raw::c_uint;
pub type atomic_bool = Opaque<1>;
pub type pthread_spinlock_t = ::std::os::raw::c_int;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
pub struct job_queue {
    pub lock: pthread_mutex_t,
    pub owner: job_queue__bindgen_ty_1,
    pub _bitfield_align_1: [u8; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1usize]>,
    pub turn: __BindgenComplex<f64>,
    pub called: ::std::option::Option<unsafe extern "C" fn(arg1: ::std::os::raw::c_int)>,
    pub count: atomic_uint,
    pub done: atomic_bool,
    pub spin: pthread_spinlock_t,
    pub jobs: __IncompleteArrayField<u32>,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
pub struct handles {
    pub used: usize,
    pub name: *mut ::std::os::raw::c_char,
    pub call: unsafe extern "C" fn(),
    pub ratio: f128,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
pub struct sem_t {
    pub _bindgen_opaque_blob: [u64; 4usize],
}

fn main() {}

//! Boost.Interprocess, through `boost/shim.cpp`, where its headers were found.

#![cfg(boost)]

use std::ffi::{CString, c_char, c_void};
use std::marker::PhantomData;

use super::Peer;
use crate::place::Place;
use crate::value::Value;

unsafe extern "C" {
    fn boost_create(name: *const c_char, value: *const c_void, len: usize) -> *mut c_void;
    fn boost_open(name: *const c_char) -> *mut c_void;
    fn boost_lock(handle: *mut c_void) -> *mut c_void;
    fn boost_unlock(handle: *mut c_void);
    fn boost_close(handle: *mut c_void);
    fn boost_remove(name: *const c_char);
}

/// A value under an `interprocess_mutex`.
pub struct Boost<T> {
    handle: *mut c_void,
    created: Option<CString>,
    value: PhantomData<T>,
}

fn name(place: Place) -> CString {
    CString::new(place.name()).expect("no zero in it")
}

impl<T: Value> Peer<T> for Boost<T> {
    fn create(place: Place, value: &T) -> Self {
        let name = name(place);
        // SAFETY: a C string, and a value of that size.
        let handle =
            unsafe { boost_create(name.as_ptr(), (&raw const *value).cast(), size_of::<T>()) };
        assert!(!handle.is_null(), "Boost could not create");
        Boost {
            handle,
            created: Some(name),
            value: PhantomData,
        }
    }

    fn open(place: Place) -> Self {
        // SAFETY: a C string.
        let handle = unsafe { boost_open(name(place).as_ptr()) };
        assert!(!handle.is_null(), "Boost could not open");
        Boost {
            handle,
            created: None,
            value: PhantomData,
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        // SAFETY: a live handle; the value is read under the lock.
        let value = unsafe {
            let value = boost_lock(self.handle).cast::<T>().read();
            boost_unlock(self.handle);
            value
        };
        look(&value)
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        // SAFETY: as in `get`.
        unsafe {
            boost_lock(self.handle)
                .cast::<T>()
                .copy_from_nonoverlapping(value, 1);
            boost_unlock(self.handle);
        }
    }

    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        // SAFETY: as in `get`.
        unsafe {
            change(&mut *boost_lock(self.handle).cast::<T>());
            boost_unlock(self.handle);
        }
    }
}

impl<T> Drop for Boost<T> {
    fn drop(&mut self) {
        // SAFETY: a live handle, used no more.
        unsafe { boost_close(self.handle) };
        if let Some(name) = &self.created {
            // SAFETY: a C string.
            unsafe { boost_remove(name.as_ptr()) };
        }
    }
}

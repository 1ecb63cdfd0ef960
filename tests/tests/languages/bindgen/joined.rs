pub type pthread_mutex_t = shm_core::Opaque<40, 8>;
pub type sem_t = shm_core::Opaque<32, 8>;
pub type job_queue__bindgen_ty_1 = shm_core::Opaque<8, 8>;
use shm_core::SharedLayout;

#[repr(C)]
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[derive(SharedLayout)]
pub struct __BindgenBitfieldUnit<Storage> {
    storage: Storage,
}
impl<Storage> __BindgenBitfieldUnit<Storage> {
    #[inline]
    pub const fn new(storage: Storage) -> Self {
        Self { storage }
    }
}
impl<Storage> __BindgenBitfieldUnit<Storage>
where
    Storage: AsRef<[u8]> + AsMut<[u8]>,
{
    #[inline]
    fn extract_bit(byte: u8, index: usize) -> bool {
        let bit_index = if cfg!(target_endian = "big") {
            7 - (index % 8)
        } else {
            index % 8
        };
        let mask = 1 << bit_index;
        byte & mask == mask
    }
    #[inline]
    pub fn get_bit(&self, index: usize) -> bool {
        debug_assert!(index / 8 < self.storage.as_ref().len());
        let byte_index = index / 8;
        let byte = self.storage.as_ref()[byte_index];
        Self::extract_bit(byte, index)
    }
    #[inline]
    pub unsafe fn raw_get_bit(this: *const Self, index: usize) -> bool {
        debug_assert!(index / 8 < core::mem::size_of::<Storage>());
        let byte_index = index / 8;
        let byte = unsafe {
            *(core::ptr::addr_of!((*this).storage) as *const u8)
                .offset(byte_index as isize)
        };
        Self::extract_bit(byte, index)
    }
    #[inline]
    fn change_bit(byte: u8, index: usize, val: bool) -> u8 {
        let bit_index = if cfg!(target_endian = "big") {
            7 - (index % 8)
        } else {
            index % 8
        };
        let mask = 1 << bit_index;
        if val { byte | mask } else { byte & !mask }
    }
    #[inline]
    pub fn set_bit(&mut self, index: usize, val: bool) {
        debug_assert!(index / 8 < self.storage.as_ref().len());
        let byte_index = index / 8;
        let byte = &mut self.storage.as_mut()[byte_index];
        *byte = Self::change_bit(*byte, index, val);
    }
    #[inline]
    pub unsafe fn raw_set_bit(this: *mut Self, index: usize, val: bool) {
        debug_assert!(index / 8 < core::mem::size_of::<Storage>());
        let byte_index = index / 8;
        let byte = unsafe {
            (core::ptr::addr_of_mut!((*this).storage) as *mut u8)
                .offset(byte_index as isize)
        };
        unsafe { *byte = Self::change_bit(*byte, index, val) };
    }
    #[inline]
    pub fn get(&self, bit_offset: usize, bit_width: u8) -> u64 {
        debug_assert!(bit_width <= 64);
        debug_assert!(bit_offset / 8 < self.storage.as_ref().len());
        debug_assert!(
            (bit_offset + (bit_width as usize)) / 8 <= self.storage.as_ref().len(),
        );
        let mut val = 0;
        for i in 0..(bit_width as usize) {
            if self.get_bit(i + bit_offset) {
                let index = if cfg!(target_endian = "big") {
                    bit_width as usize - 1 - i
                } else {
                    i
                };
                val |= 1 << index;
            }
        }
        val
    }
    #[inline]
    pub unsafe fn raw_get(this: *const Self, bit_offset: usize, bit_width: u8) -> u64 {
        debug_assert!(bit_width <= 64);
        debug_assert!(bit_offset / 8 < core::mem::size_of::<Storage>());
        debug_assert!(
            (bit_offset + (bit_width as usize)) / 8 <= core::mem::size_of::<Storage>(),
        );
        let mut val = 0;
        for i in 0..(bit_width as usize) {
            if unsafe { Self::raw_get_bit(this, i + bit_offset) } {
                let index = if cfg!(target_endian = "big") {
                    bit_width as usize - 1 - i
                } else {
                    i
                };
                val |= 1 << index;
            }
        }
        val
    }
    #[inline]
    pub fn set(&mut self, bit_offset: usize, bit_width: u8, val: u64) {
        debug_assert!(bit_width <= 64);
        debug_assert!(bit_offset / 8 < self.storage.as_ref().len());
        debug_assert!(
            (bit_offset + (bit_width as usize)) / 8 <= self.storage.as_ref().len(),
        );
        for i in 0..(bit_width as usize) {
            let mask = 1 << i;
            let val_bit_is_set = val & mask == mask;
            let index = if cfg!(target_endian = "big") {
                bit_width as usize - 1 - i
            } else {
                i
            };
            self.set_bit(index + bit_offset, val_bit_is_set);
        }
    }
    #[inline]
    pub unsafe fn raw_set(this: *mut Self, bit_offset: usize, bit_width: u8, val: u64) {
        debug_assert!(bit_width <= 64);
        debug_assert!(bit_offset / 8 < core::mem::size_of::<Storage>());
        debug_assert!(
            (bit_offset + (bit_width as usize)) / 8 <= core::mem::size_of::<Storage>(),
        );
        for i in 0..(bit_width as usize) {
            let mask = 1 << i;
            let val_bit_is_set = val & mask == mask;
            let index = if cfg!(target_endian = "big") {
                bit_width as usize - 1 - i
            } else {
                i
            };
            unsafe { Self::raw_set_bit(this, index + bit_offset, val_bit_is_set) };
        }
    }
}
#[repr(C)]
#[derive(Default)]
pub struct __IncompleteArrayField<T>(::std::marker::PhantomData<T>, [T; 0]);
impl<T> __IncompleteArrayField<T> {
    #[inline]
    pub const fn new() -> Self {
        __IncompleteArrayField(::std::marker::PhantomData, [])
    }
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self as *const _ as *const T
    }
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self as *mut _ as *mut T
    }
    #[inline]
    pub unsafe fn as_slice(&self, len: usize) -> &[T] {
        ::std::slice::from_raw_parts(self.as_ptr(), len)
    }
    #[inline]
    pub unsafe fn as_mut_slice(&mut self, len: usize) -> &mut [T] {
        ::std::slice::from_raw_parts_mut(self.as_mut_ptr(), len)
    }
}
impl<T> ::std::fmt::Debug for __IncompleteArrayField<T> {
    fn fmt(&self, fmt: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
        fmt.write_str("__IncompleteArrayField")
    }
}
pub type __int32_t = ::std::os::raw::c_int;
pub type __pid_t = ::std::os::raw::c_int;
pub type __time_t = ::std::os::raw::c_long;
pub type __suseconds_t = ::std::os::raw::c_long;
pub type time_t = __time_t;
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct timeval {
    pub tv_sec: __time_t,
    pub tv_usec: __suseconds_t,
}
pub type size_t = ::std::os::raw::c_ulong;
pub type __u16 = ::std::os::raw::c_ushort;
pub type __s32 = ::std::os::raw::c_int;
pub type __u32 = ::std::os::raw::c_uint;
pub type __kernel_long_t = ::std::os::raw::c_long;
pub type __kernel_ulong_t = ::std::os::raw::c_ulong;
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct input_event {
    pub time: timeval,
    pub type_: __u16,
    pub code: __u16,
    pub value: __s32,
}
#[repr(C)]
#[derive(Debug, SharedLayout, Clone, Copy)]
pub struct sysinfo {
    pub uptime: __kernel_long_t,
    pub loads: [__kernel_ulong_t; 3usize],
    pub totalram: __kernel_ulong_t,
    pub freeram: __kernel_ulong_t,
    pub sharedram: __kernel_ulong_t,
    pub bufferram: __kernel_ulong_t,
    pub totalswap: __kernel_ulong_t,
    pub freeswap: __kernel_ulong_t,
    pub procs: __u16,
    pub pad: __u16,
    pub totalhigh: __kernel_ulong_t,
    pub freehigh: __kernel_ulong_t,
    pub mem_unit: __u32,
    pub _f: [::std::os::raw::c_char; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct __exit_status {
    pub __e_termination: ::std::os::raw::c_short,
    pub __e_exit: ::std::os::raw::c_short,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct utmpx {
    pub ut_type: ::std::os::raw::c_short,
    pub ut_pid: __pid_t,
    pub ut_line: [::std::os::raw::c_char; 32usize],
    pub ut_id: [::std::os::raw::c_char; 4usize],
    pub ut_user: [::std::os::raw::c_char; 32usize],
    pub ut_host: [::std::os::raw::c_char; 256usize],
    pub ut_exit: __exit_status,
    pub ut_session: __int32_t,
    pub ut_tv: utmpx__bindgen_ty_1,
    pub ut_addr_v6: [__int32_t; 4usize],
    pub __glibc_reserved: [::std::os::raw::c_char; 20usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct utmpx__bindgen_ty_1 {
    pub tv_sec: __int32_t,
    pub tv_usec: __int32_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct shmTime {
    pub mode: ::std::os::raw::c_int,
    pub count: ::std::os::raw::c_int,
    pub clockTimeStampSec: time_t,
    pub clockTimeStampUSec: ::std::os::raw::c_int,
    pub receiveTimeStampSec: time_t,
    pub receiveTimeStampUSec: ::std::os::raw::c_int,
    pub leap: ::std::os::raw::c_int,
    pub precision: ::std::os::raw::c_int,
    pub nsamples: ::std::os::raw::c_int,
    pub valid: ::std::os::raw::c_int,
    pub clockTimeStampNSec: ::std::os::raw::c_uint,
    pub receiveTimeStampNSec: ::std::os::raw::c_uint,
    pub dummy: [::std::os::raw::c_int; 8usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct cart {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}
#[repr(u32)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq, SharedLayout)]
pub enum motion_state {
    MOTION_DISABLED = 0,
    MOTION_FREE = 1,
    MOTION_COORD = 5,
}
#[repr(C)]
#[repr(align(32))]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct motion_status {
    pub head: ::std::os::raw::c_uchar,
    pub command: ::std::os::raw::c_int,
    pub state: motion_state,
    pub at: cart,
    pub limits: [cart; 2usize],
    pub __bindgen_padding_0: u64,
    pub feed: f64,
    pub name: [::std::os::raw::c_char; 33usize],
    pub tail: ::std::os::raw::c_uchar,
}
impl job_flags {
    pub const JOB_READY: job_flags = job_flags(1);
    pub const JOB_RUNS: job_flags = job_flags(2);
    pub const JOB_LATE: job_flags = job_flags(4);
}
impl ::std::ops::BitOr<job_flags> for job_flags {
    type Output = Self;
    #[inline]
    fn bitor(self, other: Self) -> Self {
        job_flags(self.0 | other.0)
    }
}
impl ::std::ops::BitOrAssign for job_flags {
    #[inline]
    fn bitor_assign(&mut self, rhs: job_flags) {
        self.0 |= rhs.0;
    }
}
impl ::std::ops::BitAnd<job_flags> for job_flags {
    type Output = Self;
    #[inline]
    fn bitand(self, other: Self) -> Self {
        job_flags(self.0 & other.0)
    }
}
impl ::std::ops::BitAndAssign for job_flags {
    #[inline]
    fn bitand_assign(&mut self, rhs: job_flags) {
        self.0 &= rhs.0;
    }
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq, SharedLayout)]
pub struct job_flags(pub ::std::os::raw::c_uint);
#[repr(C)]
#[repr(align(16))]
#[derive(SharedLayout, Clone, Copy)]
pub struct job_queue {
    pub lock: pthread_mutex_t,
    pub filled: sem_t,
    pub owner: job_queue__bindgen_ty_1,
    pub _bitfield_align_1: [u8; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1usize]>,
    pub flags: job_flags,
    pub used: size_t,
    pub title: shm_core::Opaque<8, 8>,
    pub done: shm_core::Opaque<8, 8>,
    pub load: shm_core::Opaque<16, 16>,
    pub taken: shm_core::Opaque<4, 4>,
    pub jobs: [job_queue_job; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct job_queue_job {
    pub id: i32,
    pub name: [::std::os::raw::c_char; 12usize],
}
impl job_queue {
    #[inline]
    pub fn ready(&self) -> ::std::os::raw::c_uint {
        unsafe { ::std::mem::transmute(self._bitfield_1.get(0usize, 1u8) as u32) }
    }
    #[inline]
    pub fn set_ready(&mut self, val: ::std::os::raw::c_uint) {
        unsafe {
            let val: u32 = ::std::mem::transmute(val);
            self._bitfield_1.set(0usize, 1u8, val as u64)
        }
    }
    #[inline]
    pub unsafe fn ready_raw(this: *const Self) -> ::std::os::raw::c_uint {
        unsafe {
            ::std::mem::transmute(
                <__BindgenBitfieldUnit<
                    [u8; 1usize],
                >>::raw_get(::std::ptr::addr_of!((*this)._bitfield_1), 0usize, 1u8)
                    as u32,
            )
        }
    }
    #[inline]
    pub unsafe fn set_ready_raw(this: *mut Self, val: ::std::os::raw::c_uint) {
        unsafe {
            let val: u32 = ::std::mem::transmute(val);
            <__BindgenBitfieldUnit<
                [u8; 1usize],
            >>::raw_set(
                ::std::ptr::addr_of_mut!((*this)._bitfield_1),
                0usize,
                1u8,
                val as u64,
            )
        }
    }
    #[inline]
    pub fn priority(&self) -> ::std::os::raw::c_uint {
        unsafe { ::std::mem::transmute(self._bitfield_1.get(1usize, 3u8) as u32) }
    }
    #[inline]
    pub fn set_priority(&mut self, val: ::std::os::raw::c_uint) {
        unsafe {
            let val: u32 = ::std::mem::transmute(val);
            self._bitfield_1.set(1usize, 3u8, val as u64)
        }
    }
    #[inline]
    pub unsafe fn priority_raw(this: *const Self) -> ::std::os::raw::c_uint {
        unsafe {
            ::std::mem::transmute(
                <__BindgenBitfieldUnit<
                    [u8; 1usize],
                >>::raw_get(::std::ptr::addr_of!((*this)._bitfield_1), 1usize, 3u8)
                    as u32,
            )
        }
    }
    #[inline]
    pub unsafe fn set_priority_raw(this: *mut Self, val: ::std::os::raw::c_uint) {
        unsafe {
            let val: u32 = ::std::mem::transmute(val);
            <__BindgenBitfieldUnit<
                [u8; 1usize],
            >>::raw_set(
                ::std::ptr::addr_of_mut!((*this)._bitfield_1),
                1usize,
                3u8,
                val as u64,
            )
        }
    }
    #[inline]
    pub fn new_bitfield_1(
        ready: ::std::os::raw::c_uint,
        priority: ::std::os::raw::c_uint,
    ) -> __BindgenBitfieldUnit<[u8; 1usize]> {
        let mut __bindgen_bitfield_unit: __BindgenBitfieldUnit<[u8; 1usize]> = Default::default();
        __bindgen_bitfield_unit
            .set(
                0usize,
                1u8,
                {
                    let ready: u32 = unsafe { ::std::mem::transmute(ready) };
                    ready as u64
                },
            );
        __bindgen_bitfield_unit
            .set(
                1usize,
                3u8,
                {
                    let priority: u32 = unsafe { ::std::mem::transmute(priority) };
                    priority as u64
                },
            );
        __bindgen_bitfield_unit
    }
}

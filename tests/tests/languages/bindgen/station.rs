use shm_core::SharedLayout;

#[repr(u32)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq, SharedLayout)]
pub enum station_mode {
    STATION_OFF = 0,
    STATION_ON = 7,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct position {
    pub latitude: f64,
    pub longitude: f64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone, SharedLayout)]
pub struct station {
    pub pid: ::std::os::raw::c_int,
    pub name: [::std::os::raw::c_char; 51usize],
    pub flags: u8,
    pub mode: station_mode,
    pub where_: position,
    pub visible: bool,
    pub grid: [[u16; 3usize]; 2usize],
    pub seen: i64,
}

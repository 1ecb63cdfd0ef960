//! Two releases of a program whose enum grows, and in the first of which unknown numbers have a
//! variant.

use shm_core::SharedLayout;

/// What the first release knows.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(i16)]
pub enum Mode {
    /// Both know it.
    Idle,
    /// Both know it.
    Busy,
    /// What it does not know.
    #[shared(other)]
    Unknown = -1,
}

/// What the second one knows.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(i16)]
#[shared(name = "Mode")]
pub enum LaterMode {
    /// Both know it.
    Idle,
    /// Both know it.
    Busy,
    /// New.
    Paused = 700,
    /// New as well.
    Ending,
    /// What it does not know.
    #[shared(other)]
    Unknown = -1,
}

/// What the first release shares.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Station {
    /// Raised by the first release.
    pub count: u64,
    /// Stored by the second one.
    pub modes: [Mode; 3],
    /// Room for what comes.
    #[shared(padding)]
    pub _pad: [u8; 10],
}

/// What the second one shares.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(version = 2, name = "Station")]
pub struct LaterStation {
    /// Raised by the first release.
    pub count: u64,
    /// Stored by the second one.
    pub modes: [LaterMode; 3],
    /// In what was padding.
    #[shared(since = 2)]
    pub flags: u16,
    /// What is left of it.
    #[shared(padding)]
    pub _pad: [u8; 8],
}

shm_core::assert_extends!(LaterStation, Station);

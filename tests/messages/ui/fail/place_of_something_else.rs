//! What is no place, and what to make one with.

use shm_core::{Key, Place, SharedBox, SharedView};

fn main() {
    let key_t: i32 = -559_038_737;
    let path = std::path::Path::new("/etc/hostname");
    // These are.
    let _ = SharedBox::<u32>::open(0xdeadbeef);
    let _ = SharedView::<u32>::open(Key::from_raw(key_t));
    let _ = "0x1234".parse::<Key>().map(shm_core::remove);
    let _ = "id:5".parse::<Place>().map(SharedBox::<u32>::open);

    let _ = SharedBox::<u32>::open("0x1234");
    let _ = SharedView::<u32>::open(key_t);
    let _ = shm_core::remove(path);
}

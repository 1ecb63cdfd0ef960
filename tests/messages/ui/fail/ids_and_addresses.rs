use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use shm_core::SharedLayout;

mod uuid {
    #[derive(Clone, Copy)]
    pub struct Uuid([u8; 16]);
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Ids {
    id: uuid::Uuid,
    peer: IpAddr,
    peers: [Ipv4Addr; 4],
    listens: SocketAddr,
}

fn main() {}

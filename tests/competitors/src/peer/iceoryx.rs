//! iceoryx2's blackboard: one writer, which keeps its entry, and readers.

use iceoryx2::node::Node;
use iceoryx2::port::reader::{EntryHandle, Reader};
use iceoryx2::port::writer::{EntryHandleMut, Writer};
use iceoryx2::prelude::{LogLevel, NodeBuilder, ServiceName, ZeroCopySend, ipc, set_log_level};
use iceoryx2::service::port_factory::blackboard::PortFactory;

use super::Peer;
use crate::place::Place;
use crate::value::Value;

type Service = ipc::Service;

/// The one entry's key.
const KEY: u64 = 1;

/// The handles lie before what they came from, and are dropped first.
pub struct Iceoryx<T: Value> {
    reader: EntryHandle<Service, u64, T>,
    writer: Option<EntryHandleMut<Service, u64, T>>,
    _reader_port: Reader<Service, u64>,
    writer_port: Option<Writer<Service, u64>>,
    service: PortFactory<Service, u64>,
    _node: Node<Service>,
}

fn service_name(place: Place) -> ServiceName {
    place.name().as_str().try_into().expect("a name")
}

/// A node: what a process has before it opens anything.
pub fn node() -> Node<Service> {
    set_log_level(LogLevel::Fatal);
    NodeBuilder::new().create().expect("a node")
}

/// From a node to the first value and back.
pub fn open_and_get<T: Value>(node: &Node<Service>, place: Place) -> u64 {
    let service = node
        .service_builder(&service_name(place))
        .blackboard_opener::<u64>()
        .open()
        .expect("opened");
    let port = service.reader_builder().create().expect("a reader");
    let entry = port.entry::<T>(&KEY).expect("the entry");
    entry.get().count()
}

impl<T: Value> Iceoryx<T> {
    fn over(node: Node<Service>, service: PortFactory<Service, u64>) -> Self {
        let port = service.reader_builder().create().expect("a reader");
        let reader = port.entry::<T>(&KEY).expect("the entry");
        Iceoryx {
            reader,
            writer: None,
            _reader_port: port,
            writer_port: None,
            service,
            _node: node,
        }
    }

    #[inline(always)]
    fn writer(&mut self) -> &EntryHandleMut<Service, u64, T> {
        if self.writer.is_none() {
            self.take();
        }
        self.writer.as_ref().expect("just taken")
    }

    #[cold]
    fn take(&mut self) {
        let port = self
            .service
            .writer_builder()
            .create()
            .expect("the only writer");
        self.writer = Some(port.entry::<T>(&KEY).expect("the entry"));
        self.writer_port = Some(port);
    }
}

impl<T: Value> Peer<T> for Iceoryx<T> {
    fn create(place: Place, value: &T) -> Self {
        let node = node();
        let service = node
            .service_builder(&service_name(place))
            .blackboard_creator::<u64>()
            .max_readers(16)
            .max_nodes(32)
            .add::<T>(KEY, *value)
            .create()
            .expect("created");
        Iceoryx::over(node, service)
    }

    fn open(place: Place) -> Self {
        let node = node();
        let service = node
            .service_builder(&service_name(place))
            .blackboard_opener::<u64>()
            .open()
            .expect("opened");
        Iceoryx::over(node, service)
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.reader.get())
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        self.writer().update_with_copy(*value);
    }

    /// It has no such call: its only writer reads and writes.
    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        let mut value = *self.reader.get();
        change(&mut value);
        self.writer().update_with_copy(value);
    }
}

/// Many entries, and all of their handles.
pub struct Board<T: ZeroCopySend + Copy + 'static> {
    readers: Vec<EntryHandle<Service, u64, T>>,
    writers: Vec<EntryHandleMut<Service, u64, T>>,
    _ports: (Reader<Service, u64>, Writer<Service, u64>),
    _service: PortFactory<Service, u64>,
    _node: Node<Service>,
}

impl<T: ZeroCopySend + Copy + Default + std::fmt::Debug + 'static> Board<T> {
    /// With zeros in each entry.
    pub fn new(place: Place, entries: u64) -> Self {
        let node = node();
        let mut creator = node
            .service_builder(&service_name(place))
            .blackboard_creator::<u64>();
        for key in 0..entries {
            creator = creator.add::<T>(key, T::default());
        }
        let service = creator.create().expect("created");
        let reader = service.reader_builder().create().expect("a reader");
        let writer = service.writer_builder().create().expect("the only writer");
        Board {
            readers: (0..entries)
                .map(|key| reader.entry::<T>(&key).expect("the entry"))
                .collect(),
            writers: (0..entries)
                .map(|key| writer.entry::<T>(&key).expect("the entry"))
                .collect(),
            _ports: (reader, writer),
            _service: service,
            _node: node,
        }
    }

    /// What an entry holds.
    #[inline(always)]
    pub fn get(&self, entry: u64) -> T {
        *self.readers[entry as usize].get()
    }

    /// Replaces it.
    #[inline(always)]
    pub fn set(&self, entry: u64, value: T) {
        self.writers[entry as usize].update_with_copy(value);
    }
}

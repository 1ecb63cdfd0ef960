//! The calls that can fail, by name.

macro_rules! operations {
    ($($(#[$on:meta])? $call:ident = $name:literal,)+) => {
        /// A call of the public face.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($(#[$on])? $call,)+
        }

        impl Operation {
            /// The method's name, with its type unless that is a `SharedBox` or a `SharedView`.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $($(#[$on])? Operation::$call => $name,)+
                }
            }
        }
    };
}

operations! {
    Open = "open",
    OpenReadOnly = "open_read_only",
    CreateNew = "create_new",
    OpenOrCreate = "open_or_create",
    SegmentSize = "segment_size",
    Get = "get",
    GetBoxed = "get_boxed",
    Snapshot = "snapshot",
    ReadWith = "read_with",
    ReadInto = "read_into",
    Load = "load",
    Wait = "wait",
    WaitTimeout = "wait_timeout",
    WaitVersion = "wait_version",
    Changes = "changes",
    #[cfg(feature = "async")]
    Stream = "stream",
    Writers = "writers",
    Info = "info",
    IsRemoved = "is_removed",
    Set = "set",
    SetFrom = "set_from",
    SetIf = "set_if",
    Update = "update",
    TryUpdate = "try_update",
    Store = "store",
    UpdateField = "update_field",
    FetchAdd = "fetch_add",
    Writer = "writer",
    Remove = "remove",
    Anonymous = "anonymous",
    FromFd = "from_fd",
    AsFd = "as_fd",
    IntoFd = "into_fd",
    Persist = "persist",
    TableOpen = "SharedTable::open",
    TableOpenReadOnly = "TableView::open",
    TableCreateNew = "SharedTable::create_new",
    TableOpenOrCreate = "SharedTable::open_or_create",
    TableClaim = "SharedTable::claim",
    TableReap = "SharedTable::reap",
    TableRemove = "SharedTable::remove",
    TableLook = "TableView::look",
    TableGet = "TableView::get",
    TableTotal = "TableView::total",
    TableWait = "TableView::wait_membership",
    TableChanges = "TableView::changes",
    #[cfg(feature = "async")]
    TableStream = "TableView::stream",
    TableInfo = "TableView::info",
    TableIsRemoved = "TableView::is_removed",
    TableWriters = "TableView::writers",
    RowGet = "RowView::get",
    SeatGet = "Seat::get",
    SeatSet = "Seat::set",
    SeatUpdate = "Seat::update",
    SeatStore = "Seat::store",
    SeatFetchAdd = "Seat::fetch_add",
    WriterGet = "Writer::get",
    WriterGetBoxed = "Writer::get_boxed",
    WriterSet = "Writer::set",
    WriterUpdate = "Writer::update",
    WriterLoad = "Writer::load",
    WriterStore = "Writer::store",
    WriterUpdateField = "Writer::update_field",
    WriterFetchAdd = "Writer::fetch_add",
    BatchCommit = "Batch::commit",
    RawOpen = "RawBox::open",
    RawOpenReadOnly = "RawBox::open_read_only",
    RawGet = "RawBox::get",
    RawLoad = "RawBox::load",
    RawStore = "RawBox::store",
    RawInfo = "RawBox::info",
    RawIsRemoved = "RawBox::is_removed",
    RawTableOpen = "RawTable::open",
    RawTableOpenReadOnly = "RawTable::open_read_only",
    RawTableLen = "RawTable::len",
    RawTableRow = "RawTable::row",
    RawTableHeader = "RawTable::header",
    RawTableInfo = "RawTable::info",
    RawTableIsRemoved = "RawTable::is_removed",
    RawTableGuardedBy = "RawTable::guarded_by_pthread",
    RawRowGet = "RawRow::get",
    RawRowSet = "RawRow::set",
    RawRowLoad = "RawRow::load",
    RawRowStore = "RawRow::store",
    SemGuardOpen = "SemGuard::open",
    SemGuardCreate = "SemGuard::open_or_create",
    SemGuardUnder = "SemGuard::under",
    GuardedBy = "RawBox::guarded_by_pthread",
    GuardedGet = "GuardedBox::get",
    GuardedSet = "GuardedBox::set",
    GuardedUpdate = "GuardedBox::update",
    GuardedUnder = "Guarded::under",
    InspectorOpen = "Inspector::open",
    InspectorCreateNew = "Inspector::create_new",
    InspectorSchema = "Inspector::schema",
    InspectorValue = "Inspector::value",
    InspectorGet = "Inspector::get",
    InspectorSet = "Inspector::set",
    InspectorSetAll = "Inspector::set_all",
    InspectorSetIf = "Inspector::set_if",
    InspectorStoreVersion = "Inspector::store_version",
    InspectorRows = "Inspector::rows",
    InspectorUnlock = "Inspector::unlock",
    InspectorRemove = "Inspector::remove",
    InspectorSnapshot = "Inspector::snapshot",
    InspectorSnapshotBytes = "Inspector::snapshot_bytes",
    InspectorWaitTimeout = "Inspector::wait_timeout",
    InspectorHeader = "Inspector::c_header",
    InspectorModule = "Inspector::python_module",
    InspectorSemaphores = "Inspector::semaphores",
    InspectorWriters = "Inspector::writers",
    InspectorHolder = "Inspector::holder",
    InspectorInfo = "Inspector::info",
}

impl Operation {
    /// The type whose call it was, if that is in the name.
    pub(super) fn type_name(self) -> &'static str {
        self.name().split("::").next().unwrap_or_default()
    }

    /// Whether the call was one of this type's.
    pub(super) fn is_of(self, type_name: &str) -> bool {
        self.type_name() == type_name
    }

    /// Of what another program laid out, where a lock is its guard.
    pub(super) fn is_of_raw(self) -> bool {
        let name = self.type_name();
        matches!(name, "RawBox" | "RawTable" | "SemGuard") || name.starts_with("Guarded")
    }

    pub(super) fn is_removal(self) -> bool {
        use Operation::{InspectorRemove, Remove, TableRemove};
        matches!(self, Remove | InspectorRemove | TableRemove)
    }

    /// Whether the call asked for no right to write.
    pub(super) fn is_read_only(self) -> bool {
        use Operation::{OpenReadOnly, RawOpenReadOnly, RawTableOpenReadOnly, TableOpenReadOnly};
        matches!(
            self,
            OpenReadOnly | RawOpenReadOnly | RawTableOpenReadOnly | TableOpenReadOnly
        )
    }
}

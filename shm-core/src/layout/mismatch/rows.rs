//! The rows of a table of two layouts, no more of them than a reader wants.

/// The longest table, in rows.
const MAX_ROWS: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub path: String,
    pub stored: Option<Cell>,
    pub mine: Option<Cell>,
    /// What differs, in words; `None` where nothing does.
    pub mark: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub type_name: String,
    pub offset: u64,
}

impl Row {
    /// The path, and on either side type and offset.
    pub(super) fn columns(&self) -> [String; 5] {
        let texts = |cell: &Option<Cell>| match cell {
            Some(cell) => (cell.type_name.clone(), format!("@{}", cell.offset)),
            None => ("-".to_owned(), String::new()),
        };
        let ((stored, stored_at), (mine, mine_at)) = (texts(&self.stored), texts(&self.mine));
        [self.path.clone(), stored, stored_at, mine, mine_at]
    }
}

/// The rows of a table that is being made: as many are kept as one shows, the others are counted.
#[derive(Debug, Default)]
pub(super) struct Rows {
    kept: Vec<Row>,
    differing: usize,
    agreeing: usize,
    /// Whether a field of one side has one of the other beside it in some row.
    pub(super) has_pair: bool,
}

impl Rows {
    /// Adds a row that has this mark; `row` makes it, if it is kept.
    pub(super) fn push(&mut self, mark: Option<String>, row: impl FnOnce(Option<String>) -> Row) {
        let count = match mark {
            Some(_) => &mut self.differing,
            None => &mut self.agreeing,
        };
        *count += 1;
        if *count <= MAX_ROWS {
            self.kept.push(row(mark));
        }
    }

    /// Adds the rows of a part.
    pub(super) fn append(&mut self, part: Rows) {
        let (differing, agreeing) = (self.differing, self.agreeing);
        for row in part.kept {
            self.push(row.mark.clone(), |_| row);
        }
        self.differing = differing + part.differing;
        self.agreeing = agreeing + part.agreeing;
        self.has_pair |= part.has_pair;
    }

    /// Whether no row has a mark.
    pub(super) fn agree(&self) -> bool {
        self.differing == 0
    }

    /// The rows to show: differing ones before agreeing ones where there is no room for all. Notes
    /// count what is left out.
    pub(super) fn shown(mut self, notes: &mut Vec<String>) -> Vec<Row> {
        let differing = self.differing.min(MAX_ROWS);
        let agreeing = self.agreeing.min(MAX_ROWS - differing);
        let mut room_for_agreeing = agreeing;
        self.kept.retain(|row| {
            let fits = row.mark.is_some() || room_for_agreeing > 0;
            room_for_agreeing -= usize::from(fits && row.mark.is_none());
            fits
        });
        if self.differing > differing {
            let more = self.differing - differing;
            notes.push(format!("... and {more} more that differ"));
        }
        if self.agreeing > agreeing {
            let more = self.agreeing - agreeing;
            notes.push(format!("... and {more} more that agree"));
        }
        self.kept
    }
}

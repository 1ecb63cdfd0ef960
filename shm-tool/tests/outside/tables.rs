//! Tables: rows that belong to processes.

use shm_core::SharedTable;

use crate::space::*;

pub fn workers() -> SharedTable<Limits> {
    SharedTable::options().rows(4).create_new(KEY).unwrap()
}

pub const LIMITS: Limits = Limits {
    cpu: [1, 2, 3, 4],
    memory: 0.5,
};

#[test]
fn rows_are_listed_with_their_owners_and_whether_those_live() {
    in_own_namespace!();
    let table = workers();
    let mut seat = table.claim(LIMITS).unwrap();
    let other = Peer::start("owner of a row");
    let (own, pid) = (std::process::id(), other.pid());
    let listed = rows(&printed("ls --noheadings"));
    assert_eq!(listed[0][..2], ["0x00001234", "Limits[4]"]);
    let title = printed("show 0x1234");
    let table = rows(&title);
    assert_eq!(table[0].join(" "), "Limits[4] v1");
    assert_eq!(table[1].join(" "), "ROW OWNER LIFE VERSION cpu memory");
    assert_eq!(
        table[2].join(" ").replace(&name(own), "NAME"),
        format!("0 {own} (NAME) live 1 [1, 2, 3, 4] 0.5")
    );
    assert!(title.contains(&format!("1  {pid} (")), "{title}");
    seat.set(Limits {
        memory: 2.5,
        ..LIMITS
    })
    .unwrap();
    other.kill();
    let memory = rows(&printed("show 0x1234 memory"));
    assert_eq!(memory[0].join(" "), "ROW OWNER LIFE VERSION memory");
    assert_eq!(memory[1].last().unwrap(), "2.5");
    assert!(memory[2].contains(&"dead".to_owned()), "{memory:?}");
    let answer = json("show 0x1234 --json");
    let row = &answer["rows"][1];
    assert_eq!(
        (&row["row"], &row["owner"], &row["life"]),
        (&1.into(), &pid.into(), &"dead".into())
    );
    assert_eq!(row["value"]["cpu"][3], 4);
    assert_eq!(
        json("stat 0x1234 --json")["rows"],
        serde_json::json!({"there": 4, "taken": 2})
    );
    assert!(printed("stat 0x1234").contains("2 of 4 taken"));
    assert_eq!(json("ls --json")["segments"][0]["rows"], 4);
}

#[test]
fn a_row_is_named_by_its_number() {
    in_own_namespace!();
    let table = workers();
    let _seat = table.claim(LIMITS).unwrap();
    assert_eq!(printed("show 0x1234 [0].memory [0].cpu[2]"), "0.5\n3\n");
    assert_eq!(json("show 0x1234 [0] --json")["parts"]["[0]"]["cpu"][1], 2);
    assert_eq!(printed("show 0x1234 [3]"), "free\n");
    fails("show 0x1234 [3].memory", 1, "a free row, until a process");
    fails("show 0x1234 [4]", 1, "has no element 4; it has 4");
    fails("show 0x1234 [0].memry", 1, "did you mean `memory`?");
}

#[test]
fn who_comes_and_goes_and_what_changes_in_a_row_is_watched() {
    in_own_namespace!();
    let table = workers();
    let mut seat = table.claim(LIMITS).unwrap();
    let mut text = Running::start("watch 0x1234 -n 2");
    assert_eq!(text.line(), "Limits[4] v1");
    assert!(text.line().starts_with("ROW  OWNER"));
    assert!(text.line().ends_with("[1, 2, 3, 4]  0.5"));
    let mut lines = Running::start("watch 0x1234 --json -n 4");
    let first = lines.json();
    assert_eq!(first["rows"][0]["owner"], std::process::id());
    assert_eq!(first["rows"][0]["value"]["memory"], 0.5);
    seat.store(shm_core::field!(Limits.memory), 2.5).unwrap();
    let change = lines.json();
    assert_eq!(
        (&change["changes"], &change["owners"]),
        (
            &serde_json::json!([{"path": "[0].memory", "from": 0.5, "to": 2.5}]),
            &serde_json::json!([])
        )
    );
    assert!(text.line().ends_with(|c: char| c.is_ascii_digit()));
    assert_eq!(text.line(), "  [0].memory  0.5 → 2.5");
    let peer = Peer::start("owner of a row");
    let pid = peer.pid();
    let owners = |change: &serde_json::Value| {
        let owners = change["owners"].as_array().unwrap().iter();
        let told =
            owners.map(|owner| format!("{} {} {}", owner["row"], owner["what"], owner["owner"]));
        told.collect::<Vec<_>>().join(", ")
    };
    let change = lines.json();
    assert_eq!(owners(&change), format!("1 \"claimed\" {pid}"));
    assert_eq!(change["changes"][0]["path"], "[1]");
    assert_eq!(change["changes"][0]["from"], serde_json::Value::Null);
    text.line();
    assert!(
        text.line()
            .starts_with(&format!("  [1]  claimed by {pid} ("))
    );
    assert_eq!(
        text.line(),
        "  [1]  free → {cpu: [1, 2, 3, 4], memory: 0.5}"
    );
    assert_eq!(text.end().code, 0);
    peer.kill();
    assert_eq!(owners(&lines.json()), format!("1 \"died\" {pid}"));
    table.reap(|_, _| ()).unwrap();
    let change = lines.json();
    assert_eq!(owners(&change), format!("1 \"freed\" {pid}"));
    assert_eq!(change["changes"][0]["to"], serde_json::Value::Null);
    assert_eq!(lines.end().code, 0);
}

#[test]
fn only_the_rows_and_fields_that_were_named_are_watched() {
    in_own_namespace!();
    let table = workers();
    let mut first = table.claim(LIMITS).unwrap();
    let mut second = table.claim(LIMITS).unwrap();
    let mut field = Running::start("watch 0x1234 memory --json -n 1");
    let mut row = Running::start("watch 0x1234 [1] --json -n 1");
    assert_eq!(field.json()["rows"].as_array().unwrap().len(), 2);
    assert_eq!(row.json()["rows"][0]["row"], 1);
    first.update(|limits| limits.cpu[0] = 7).unwrap();
    first.update(|limits| limits.memory = 1.5).unwrap();
    assert_eq!(field.json()["changes"][0]["path"], "[0].memory");
    let third = table.claim(LIMITS).unwrap();
    second.update(|limits| limits.cpu[0] = 8).unwrap();
    assert_eq!(
        row.json()["changes"],
        serde_json::json!([{"path": "[1].cpu[0]", "from": 1, "to": 8}])
    );
    assert_eq!((field.end().code, row.end().code), (0, 0));
    drop(third);
    fails("watch 0x1234 memry", 1, "did you mean `memory`?");
    fails("watch 0x1234 [3].memry", 1, "did you mean `memory`?");
    fails("watch 0x1234 [9]", 1, "it has 4");
}

#[test]
fn a_row_is_waited_for_until_a_process_claims_it_and_its_field_has_the_value() {
    in_own_namespace!();
    let table = workers();
    for holds in ["[0]==free", "[3]==free"] {
        printed(&format!("wait 0x1234 {holds} --timeout 60"));
    }
    let claimed = Running::start("wait 0x1234 [0]!=free --timeout 60");
    let value = Running::start("wait 0x1234 [0].memory>=2 --timeout 60");
    let element = Running::start("wait 0x1234 [0].cpu[3]==4 --timeout 60");
    let mut seat = table.claim(LIMITS).unwrap();
    assert_eq!((claimed.end().code, element.end().code), (0, 0));
    seat.update(|limits| limits.memory = 2.5).unwrap();
    assert_eq!(value.end().code, 0);
    printed("wait 0x1234 [0]!=free --timeout 60");
    for (condition, code, says) in [
        ("[1].memory!=0", 6, "the time is over"),
        ("[1]!=free", 6, "the time is over"),
        ("[1].memry==1", 1, "did you mean `memory`?"),
        ("[1].cpu[4]==1", 1, "it has 4"),
        ("[4].memory==1", 1, "it has 4"),
        ("memory==1", 2, "name a row, as in [0].memory"),
        ("[0]==1", 2, "no single value"),
    ] {
        fails(
            &format!("wait 0x1234 {condition} --timeout 0.05"),
            code,
            says,
        );
    }
}

#[test]
fn a_row_that_is_a_variant_is_waited_for_until_a_process_claims_it() {
    in_own_namespace!();
    let table = SharedTable::options().rows(2).create_new(KEY).unwrap();
    printed("wait 0x1234 [0]==free --timeout 60");
    let _seat = table.claim(Mood::Wild).unwrap();
    printed("wait 0x1234 [0]!=free --timeout 60");
    printed("wait 0x1234 [0]==Wild --timeout 60");
    fails("wait 0x1234 [0]==Wlid", 2, "did you mean `Wild`?");
    fails("wait 0x1234 [1]!=free --timeout 0", 6, "the time is over");
}

#[derive(shm_core::SharedLayout, Clone, Copy)]
#[repr(C)]
struct Job {
    #[shared(counter)]
    done: u64,
    name: u32,
}

#[test]
fn counts_that_no_commit_tells_of_are_seen() {
    in_own_namespace!();
    let table = SharedTable::<Job>::options()
        .rows(2)
        .create_new(KEY)
        .unwrap();
    let first = Job { done: 0, name: 7 };
    let mut seat = table.claim(first).unwrap();
    let waiting = Running::start("wait 0x1234 [0].done>=3 --timeout 60");
    let mut watch = Running::start("watch 0x1234 --json -n 1");
    assert_eq!(watch.json()["rows"][0]["value"]["done"], 0);
    seat.fetch_add(shm_core::field!(Job.done), 3).unwrap();
    assert_eq!(
        watch.json()["changes"],
        serde_json::json!([{"path": "[0].done", "from": 0, "to": 3}])
    );
    assert_eq!((waiting.end().code, watch.end().code), (0, 0));
    drop(seat);
    let _other = table.claim(first).unwrap();
    assert_eq!(printed("show 0x1234 [0].done"), "0\n");
}

#[test]
fn any_change_of_a_table_ends_a_wait_without_a_condition() {
    in_own_namespace!();
    let table = workers();
    let mut waiting = Running::start("wait 0x1234 --timeout 60");
    // It may look for the first time after any of these.
    while waiting.child.try_wait().unwrap().is_none() {
        // Both the claim and its end last for longer than it takes to look again.
        for seat in [Some(table.claim(LIMITS).unwrap()), None] {
            std::thread::sleep(std::time::Duration::from_millis(30));
            drop(seat);
        }
    }
    assert_eq!(waiting.end().code, 0);
}

#[test]
fn what_a_table_can_not_do_is_said_with_the_owner() {
    in_own_namespace!();
    let table = workers();
    fails("set 0x1234 memory=1", 4, "all rows of the table are free");
    let seat = table.claim(LIMITS).unwrap();
    let pid = std::process::id();
    let owner = format!("{pid} ({})", name(pid));
    let alone = format!("row 0 belongs to {owner}, which alone may store to it");
    fails("set 0x1234 [0].memory=1", 4, &alone);
    fails("set 0x1234 [2].memory=1", 4, "row 2 is free");
    fails("set 0x1234 memory=1", 4, &format!("as row 0 by {owner}"));
    assert_eq!((seat.get().unwrap(), table.rows().count()), (LIMITS, 1));
    assert_eq!(
        printed("unlock 0x1234"),
        "not locked: rows of a table hold no lock, since each is stored to by its owner alone\n"
    );
    let peer = Peer::start("owner of a row");
    let answer = json("who 0x1234 --json");
    let mut processes = answer["processes"].as_array().unwrap().iter();
    let found = processes.find(|process| process["pid"] == peer.pid());
    assert_eq!(found.unwrap()["rows"], serde_json::json!([1]));
    let said = printed("who 0x1234");
    assert!(said.contains("has a slot, owns row 1"), "{said}");
}

#[test]
fn rows_are_dumped_and_compared_and_not_restored() {
    in_own_namespace!();
    let folder = crate::debug_info::Folder::new("rows");
    let (file, cut) = (folder.path("rows.dump"), folder.path("cut.dump"));
    let table = workers();
    let mut seat = table.claim(LIMITS).unwrap();
    assert_eq!(
        printed(&format!("dump 0x1234 {file}")),
        format!("wrote 1 of 4 rows of Limits (16 bytes each) to {file}\n")
    );
    assert!(printed(&format!("diff {file} 0x1234")).starts_with("one layout"));
    seat.update(|limits| limits.memory = 2.5).unwrap();
    let _second = table.claim(LIMITS).unwrap();
    let ran = shm(&format!("diff {file} 0x1234"));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.out.contains("  [0].memory  0.5 | 2.5\n"), "{}", ran.out);
    assert!(ran.out.contains("  [1]         free | {cpu"), "{}", ran.out);
    for place in ["0x1234", "0x77"] {
        fails(
            &format!("restore {file} {place}"),
            5,
            "belongs to the process that claims it",
        );
    }
    let whole = std::fs::read(&file).unwrap();
    for at in [7, 9, 40, whole.len() - 20] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&cut, bytes).unwrap();
        fails(&format!("restore {cut} 0x1234"), 5, "no whole dump");
    }
    // The same layout, but another thing.
    let _single = shm_core::SharedBox::create_new(0x77, LIMITS).unwrap();
    let ran = shm("diff 0x77 0x1234");
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.out.starts_with("the second is a table of rows"),
        "{}",
        ran.out
    );
}

#[test]
fn the_other_commands_take_a_table() {
    in_own_namespace!();
    let table = workers();
    let _seat = table.claim(LIMITS).unwrap();
    assert!(printed("schema 0x1234").contains("pub struct Limits"));
    assert!(printed("diff 0x1234 0x1234").starts_with("one layout"));
    assert!(printed("doctor 0x1234").starts_with("fine"));
    let terminal = crate::terminal::Terminal::start((24, 80), "top --delay 0.05", &[]);
    terminal.until_there_is("Limits[4]");
    terminal.until_there_is(&format!("[0] {} (", std::process::id()));
    terminal.keys("q");
    assert!(terminal.end().0.success());
    printed("rm --force 0x1234");
    assert!(table.is_removed().unwrap());
}

fn name(pid: u32) -> String {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    comm.trim_end().to_owned()
}

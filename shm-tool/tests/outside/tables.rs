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
fn commands_for_a_single_value_say_that_it_is_a_table_and_the_others_take_it() {
    in_own_namespace!();
    let table = workers();
    let _seat = table.claim(LIMITS).unwrap();
    for command in [
        "watch 0x1234",
        "wait 0x1234",
        "set 0x1234 memory=1",
        "dump 0x1234 /dev/null/none",
        "unlock 0x1234",
    ] {
        let ran = shm(command);
        assert_eq!(ran.code, 5, "{command}: {}", ran.err);
        assert!(
            ran.err.contains("it is a table of rows"),
            "{command}: {}",
            ran.err
        );
    }
    assert!(printed("schema 0x1234").contains("pub struct Limits"));
    assert!(printed("diff 0x1234 0x1234").starts_with("one layout"));
    assert!(printed("doctor 0x1234").starts_with("fine"));
    printed("who 0x1234");
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

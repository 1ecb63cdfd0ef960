//! `shm schema`.

use shm_core::SharedLayout;

use crate::space::*;

#[test]
fn each_language_gets_its_source() {
    in_own_namespace!();
    let _shared = worker_box();
    assert_eq!(printed("schema 0x1234 --format c"), Worker::c_header());
    assert_eq!(
        printed("schema 0x1234 --format python"),
        Worker::python_module()
    );
    let rust = printed("schema 0x1234");
    assert!(
        rust.contains("pub struct Worker {\n    pub pid: i32,\n    pub name: FixedStr<20>,\n"),
        "{rust}"
    );
    let answer = json("schema 0x1234 --format json");
    assert_eq!(
        answer["type"]["fields"][2]["type"]["fields"][0]["name"],
        "cpu"
    );
    assert_eq!(answer["type"]["size"], size_of::<Worker>());
}

#[test]
fn what_has_no_name_of_its_own_gets_one_beside_what_it_consists_of() {
    in_own_namespace!();
    let limits = Limits {
        cpu: [0; 4],
        memory: 0.0,
    };
    let _shared = shm_core::SharedBox::create_new(KEY, [limits; 2]).unwrap();
    let rust = printed("schema 0x1234");
    assert!(
        rust.contains("pub struct Limits {") && rust.ends_with("\npub type Value = [Limits; 2];\n"),
        "{rust}"
    );
}

#[test]
fn a_stranger_has_none() {
    in_own_namespace!();
    foreign(0x77, 4096);
    fails("schema 0x77", 5, "another program laid it out");
    fails(
        "schema 0x77 --format cobol",
        2,
        "is none of rust, c, python, json",
    );
    fails("schema 0x78", 1, "`shm ls`");
}

#[test]
fn completions_and_manual_pages_are_generated() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(printed(&format!("completions {shell}")).contains("shm"));
    }
    assert!(printed("man").contains(".TH shm 1"));
    assert!(printed("man ls").contains(".TH shm-ls 1"));
    fails("man dance", 2, "no command");
    assert!(printed("--help").contains("Exit codes:"));
}

//! Command lines that are wrong, and what the help says.

use crate::space::*;

#[test]
fn what_is_wrong_with_a_command_line_is_one_line_with_the_next_step() {
    for (arguments, says) in [
        ("shoow", "there is no command `shoow`; did you mean `show`?"),
        ("dance", "there is no command `dance`; `shm --help`"),
        (
            "show",
            "<PLACE> is missing; write shm show <PLACE> [PATH]...",
        ),
        (
            "set 1",
            "<PATH=VALUE>... is missing; write shm set <PLACE> <PATH=VALUE>...",
        ),
        ("ls --jsn", "there is no `--jsn`; did you mean `--json`?"),
        ("ls --dance", "there is no `--dance`; `shm ls --help`"),
        ("who 1 2", "`2` is one argument too many; write shm who"),
        (
            "schema 1 -f ruts",
            "is none of rust, c, python, json; did you mean `rust`?",
        ),
        (
            "wait 1 --timeout",
            "--timeout <SECONDS> wants a value; `shm wait --help`",
        ),
        (
            "show 1 --json=x",
            "--json takes no value \"x\"; `shm show --help`",
        ),
        (
            "show 1 --json --raw",
            "--json does not go with --raw; `shm show --help`",
        ),
        (
            "show 1 --at 5",
            "--type <NAME> is missing; `shm show --help`",
        ),
        (
            "top --delay x",
            "--delay <SECONDS> can't be \"x\"; write a number of seconds",
        ),
        (
            "--ipc-of x ls",
            "--ipc-of <PID> can't be \"x\"; write a whole number",
        ),
        ("set 1 pid", "can't be \"pid\"; write PATH=VALUE"),
        (
            "show zz",
            "<PLACE>: \"zz\" names no place; write a key such as 0x1234",
        ),
        (
            "wait 1 --timeout=-5",
            "--timeout <SECONDS> can't be \"-5\"; write a number of seconds",
        ),
        ("dance \u{1b}[2J", "there is no command `dance`"),
        ("\u{1b}[2J", "there is no command `\\u{1b}[2J`"),
    ] {
        fails(arguments, 2, says);
    }
}

#[test]
fn what_is_asked_for_is_printed_and_no_error() {
    for asked in ["--help", "help show", "show -h", "--version", "top --help"] {
        assert!(!printed(asked).is_empty());
    }
    let bare = shm("");
    assert_eq!((bare.code, &*bare.out), (2, ""));
    assert!(
        bare.err.contains("Usage: shm [OPTIONS] <COMMAND>"),
        "{}",
        bare.err
    );
}

#[test]
fn the_help_of_each_command_and_its_page_have_an_example_and_explain_each_argument() {
    let list = printed("--help");
    let (_, commands) = list.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let names = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = names
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let count = 18 + usize::from(cfg!(feature = "mirror"));
    assert_eq!(names.len(), count, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "help") {
        let help = printed(&format!("{name} --help"));
        assert!(help.contains(&format!("shm {name}")), "{help}");
        assert!(help.contains("Example"), "{help}");
        assert!(printed(&format!("man {name}")).contains("Example"));
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2) {
            let is_argument = ["  <", "  [", "  -", "      --"]
                .iter()
                .any(|start| pair[0].starts_with(start));
            assert!(
                !is_argument || !pair[1].trim().is_empty(),
                "shm {name}: {}",
                pair[0]
            );
        }
    }
}

#[test]
fn each_command_says_of_a_place_that_leads_nowhere_that_nothing_is_there() {
    in_own_namespace!();
    let commands = [
        "show",
        "stat",
        "who",
        "watch",
        "wait",
        "schema",
        "set P pid=1",
        "diff P P",
        "dump P /dev/null/none",
        "unlock",
        "rm",
        "doctor",
    ];
    for command in commands {
        for place in ["0x99", "id:99", "posix:/none", "./none"] {
            let arguments = match command.contains(" P ") {
                true => command.replace(" P", &format!(" {place}")),
                false => format!("{command} {place}"),
            };
            fails(&arguments, 1, "`shm ls`");
        }
    }
}

/// Each code that the help lists is one that a test here expects, and the page lists the same.
#[test]
fn the_exit_codes_of_the_help_are_those_of_the_page() {
    let help = printed("--help");
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let codes: Vec<&str> = codes
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let page = include_str!("../../../docs/tool.md");
    let (_, table) = page.split_once("## Exit codes").unwrap();
    let (table, _) = table.split_once("##").unwrap();
    let listed: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .collect();
    let listed: Vec<&str> = listed
        .into_iter()
        .filter_map(|row| row.split(' ').next())
        .skip(1)
        .collect();
    assert_eq!(codes, listed);
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
}

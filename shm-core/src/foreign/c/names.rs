//! Names that a C and a C++ compiler accept for what a schema calls by Rust's.

use std::collections::{BTreeMap, BTreeSet};

/// Words that are no names in C11 or C++17, or that common headers define as macros.
const TAKEN: &[&str] = &[
    "_Alignas",
    "_Alignof",
    "_Atomic",
    "_Bool",
    "_Complex",
    "_Generic",
    "_Imaginary",
    "_Noreturn",
    "_Static_assert",
    "_Thread_local",
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "assert",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "class",
    "compl",
    "complex",
    "const",
    "const_cast",
    "constexpr",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "i386",
    "if",
    "inline",
    "int",
    "linux",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "noreturn",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "stderr",
    "stdin",
    "stdout",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "union",
    "unix",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
    "NULL",
    "EOF",
    "st_atime",
    "st_mtime",
    "st_ctime",
];

/// Structs and types of the system headers that the common part includes, and its own; and what
/// becomes one of the system's functions with what is generated behind it: `shm_open`, `fd_set`.
const TAKEN_TYPES: &[&str] = &[
    "clock_t",
    "div",
    "exit",
    "fd",
    "ftok",
    "ipc_perm",
    "itimerspec",
    "kill",
    "key_t",
    "link",
    "malloc",
    "mmap",
    "mq",
    "pause",
    "pid_t",
    "pipe",
    "read",
    "select",
    "sem",
    "sembuf",
    "semid_ds",
    "seminfo",
    "semop",
    "semget",
    "semctl",
    "shm",
    "shm_info",
    "shmat",
    "shmbox",
    "shmbox_options",
    "shmbox_type",
    "shmbox_u128",
    "shmbox_i128",
    "shmctl",
    "shmdt",
    "shmget",
    "shmid_ds",
    "shminfo",
    "sigevent",
    "size_t",
    "sleep",
    "sync",
    "system",
    "time",
    "time_t",
    "timespec",
    "timeval",
    "tm",
    "uid_t",
    "write",
];

/// What begins macros of those headers that could be a variant's: `SIZE_MAX`, `MAP_SHARED`.
const TAKEN_PREFIXES: &[&str] = &[
    "arg", "at", "clock", "host", "hwcap", "ipc", "line", "madv", "map", "mremap", "ms", "name",
    "path", "posix", "prot", "rand", "seek", "size", "ssize", "stack", "timer", "tty",
];

/// The name of a member: a schema's own, wherever that is one in C.
pub(super) fn member(name: &str) -> String {
    let mut plain = ascii(name);
    if plain.starts_with(|first: char| first.is_ascii_digit()) {
        plain.insert(0, '_');
    }
    if TAKEN.contains(&plain.as_str()) {
        plain.push('_');
    }
    plain
}

/// The name of a type: `StPid` is `st_pid`.
pub(super) fn snake(name: &str) -> String {
    let mut snake = separated(name);
    if snake.starts_with(|first: char| first.is_ascii_digit()) {
        snake.insert(0, '_');
    }
    if TAKEN.contains(&snake.as_str()) || TAKEN_TYPES.contains(&snake.as_str()) {
        snake.push('_');
    }
    snake
}

/// Words in lower case, with `_` between them.
fn separated(name: &str) -> String {
    let mut snake = String::new();
    let name = ascii(name);
    let mut before = '_';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        // Before a capital that begins a word: `StPid`, and the `S` of `HTTPServer`.
        let begins = letter.is_ascii_uppercase()
            && before != '_'
            && (!before.is_ascii_uppercase()
                || letters.peek().is_some_and(char::is_ascii_lowercase));
        if begins {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        before = letter;
    }
    snake
}

/// What begins the names of an enum's constants: `StPid` is `ST_PID`.
pub(super) fn screaming(name: &str) -> String {
    let mut prefix = snake(name);
    if TAKEN_PREFIXES.contains(&prefix.as_str()) {
        prefix.push('_');
    }
    prefix.to_ascii_uppercase()
}

/// The same for what stands behind a prefix, and so needs no care for what is taken.
pub(super) fn screaming_part(name: &str) -> String {
    separated(name).to_ascii_uppercase()
}

/// Letters beyond ASCII by their numbers: not every compiler takes them.
pub(in crate::foreign) fn ascii(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => plain.push(letter),
            other => plain.push_str(&format!("u{:04x}", u32::from(other))),
        }
    }
    plain
}

/// Names of one scope, each given once.
#[derive(Debug, Default)]
pub(in crate::foreign) struct Scope {
    given: BTreeSet<String>,
    /// From which number on to look, by name: else a thousand equal names would take a million
    /// looks.
    numbers: BTreeMap<String, u32>,
}

impl Scope {
    /// `name`, or with a number behind it if that was given before.
    pub(in crate::foreign) fn give(&mut self, name: String) -> String {
        if self.given.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_insert(2);
        let mut free = format!("{name}_{number}");
        while !self.given.insert(free.clone()) {
            *number += 1;
            free = format!("{name}_{number}");
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_become_snakes() {
        for (rust, c) in [
            ("StPid", "st_pid"),
            ("HTTPServer", "http_server"),
            ("U8Box", "u8_box"),
            ("already_one", "already_one"),
            ("A", "a"),
            ("Timespec", "timespec_"),
            ("Double", "double_"),
            ("Größe", "gru00f6u00dfe"),
        ] {
            assert_eq!(snake(rust), c);
        }
        assert_eq!(screaming("StPid"), "ST_PID");
    }

    #[test]
    fn members_keep_their_names_where_c_and_cpp_let_them() {
        for (rust, c) in [
            ("pid", "pid"),
            ("0", "_0"),
            ("int", "int_"),
            ("class", "class_"),
        ] {
            assert_eq!(member(rust), c);
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut scope = Scope::default();
        let mut give = |name: &str| scope.give(name.to_owned());
        assert_eq!(
            [give("a"), give("a_2"), give("a"), give("a")],
            ["a", "a_2", "a_3", "a_4"]
        );
    }
}

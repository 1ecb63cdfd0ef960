//! Names in Python: a schema's own wherever Python, `ctypes` and the rest of the module leave them
//! free.

use crate::foreign::scope::{ascii, is_among};

/// No name at all.
const KEYWORDS: &str = "False None True and as assert async await break class continue def del elif else except \
    finally for from global if import in is lambda nonlocal not or pass raise return try while with yield";

/// Names that the rest of a module relies on: those built into Python, and its own.
const TAKEN: &str = "ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError \
    BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError \
    ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning EnvironmentError \
    Exception ExceptionGroup FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError \
    ImportError ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt \
    LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplemented NotImplementedError OSError \
    OverflowError PendingDeprecationWarning PermissionError ProcessLookupError RecursionError ReferenceError \
    ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError \
    SystemExit TabError TimeoutError TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError \
    UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError abs aiter all anext any ascii \
    bin bool breakpoint bytearray bytes callable chr classmethod compile complex copyright credits delattr dict dir \
    divmod enumerate eval exec exit filter float format frozenset getattr globals hasattr hash help hex id input int \
    isinstance issubclass iter len license list locals map max memoryview min next object oct open ord pow print \
    property quit range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip \
    Array Busy FINGERPRINT Invalid Mismatch NoCompiler NotFound Removed SCHEMA_VERSION SharedBox SharedTable ShmboxError Snapshot TableRow \
    Vec dtype";

/// Attributes of each struct.
const OF_STRUCTS: &str =
    "dtype from_address from_buffer from_buffer_copy from_param in_dll to_dict";

/// Attributes of each enum.
const OF_ENUMS: &str = "mro name value as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag \
    is_integer numerator real to_bytes";

/// The class of a struct or an enum.
pub(super) fn class(name: &str) -> String {
    free(name, &[KEYWORDS, TAKEN])
}

/// A field of a struct.
pub(super) fn field(name: &str) -> String {
    free(name, &[KEYWORDS, OF_STRUCTS])
}

/// A member of an enum.
pub(super) fn variant(name: &str) -> String {
    free(name, &[KEYWORDS, OF_ENUMS])
}

/// A name as text in Python.
pub(super) fn literal(name: &str) -> String {
    let mut text = String::from("\"");
    for letter in name.chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => text.push(letter),
            other => text.push_str(&format!("\\U{:08x}", u32::from(other))),
        }
    }
    text + "\""
}

fn free(name: &str, taken: &[&str]) -> String {
    let mut plain = ascii(name);
    let numbered = plain.starts_with(|first: char| first.is_ascii_digit());
    if numbered {
        plain.insert(0, '_');
    }
    if plain.starts_with('_') && (plain.ends_with('_') || !numbered) {
        // Python, ctypes, enum and this module keep such names for themselves.
        plain.insert(0, 'x');
    }
    if taken.iter().any(|names| is_among(&plain, names)) {
        plain.push('_');
    }
    plain
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_where_python_leaves_them_free() {
        for (rust, python) in [
            ("pid", "pid"),
            ("0", "_0"),
            ("from", "from_"),
            ("to_dict", "to_dict_"),
            ("_fields_", "x_fields_"),
            ("größe", "gru00f6u00dfe"),
        ] {
            assert_eq!(field(rust), python);
        }
        assert_eq!(class("SharedBox"), "SharedBox_");
        assert_eq!(class("int"), "int_");
        assert_eq!(variant("mro"), "mro_");
        assert_eq!(variant("0_"), "x_0_");
    }
}

//! Names that a C and a C++ compiler accept for what a schema calls by Rust's.

use crate::foreign::scope::{ascii, is_among};
use crate::layout::Primitive;

/// Words that are no names in C11 to C23 or in C++17 and C++20.
const KEYWORDS: &str = "_Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn _Static_assert _Thread_local alignas \
    alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class co_await \
    co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete \
    do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable \
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast \
    requires restrict return short signed sizeof static static_cast struct switch template this throw true try \
    typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq";

/// Words of Rust that are names in C: behind them `bindgen` puts a `_`.
const RUST: &str = "abstract as async await become box crate dyn final fn gen impl in let loop macro match mod move mut override \
    priv pub ref self super trait try type unsafe unsized use virtual where yield";

/// Macros of POSIX and Linux headers that look like a member's name. Those in capitals follow a rule:
/// see [`is_taken_by_macros`].
const MACROS: &str = "assert basename complex d_fileno errno h_addr h_errno i386 linux math_errhandling mips msg_cbytes no_argument \
    noreturn optional_argument required_argument sched_priority st_atime st_ctime st_mtime static_assert stderr \
    stdin stdout sun thread_local unix";

/// What begins more such macros.
const MACRO_PREFIXES: &str = "arp_ dq_ ifa_ ifc_ ifr_ s6_ sa_ si_ sigev_ ut_";

/// Structs and types of those headers, and of the common part; and what becomes one of the system's
/// functions with what is generated behind it: `shm_open`, `fd_set`.
const TYPES: &str = "addrinfo aiocb aiocb64 aioinit atomic atomic_bool atomic_char atomic_flag atomic_flag_test_and atomic_int \
    atomic_llong atomic_long atomic_schar atomic_short atomic_uchar atomic_uint atomic_ullong atomic_ulong \
    atomic_ushort cmsghdr cnd dirent dirent64 div dl_find_object drand48_data entry epoll epoll_data epoll_event \
    exit f_owner_ex fd fd_mask fd_set file_handle flock flock64 fsconfig_command ftok gaicb group group_filter \
    group_req group_source_req hostent hsearch_data iconv if_nameindex iface ifaddr ifaddrs ifconf ifmap ifreq \
    in6_addr in6_pktinfo in_addr in_pktinfo inotify_event iovec ip6_mtuinfo ip_mreq ip_mreq_source ip_mreqn \
    ip_msfilter ip_opts ipc_perm ipv6_mreq itimerspec itimerval jmp_buf kill lconv linger link link_map mallinfo \
    mallinfo2 malloc memfd memory_order mmap mmsghdr mount_attr mq mq_attr msgbuf msghdr msginfo msqid_ds mtx netent \
    nl_catd nl_item ntptimeval obstack once_flag option osockaddr passwd pause pipe pkey pollfd prctl_mm_map \
    protoent qelem random_data re_pattern_buffer re_registers read rlimit rlimit64 rpcent rusage sched_param select \
    sem sembuf semctl semget semid_ds seminfo semop servent shm shm_info shmat shmbox shmbox_i128 shmbox_options \
    shmbox_type shmbox_u128 shmctl shmdt shmget shmid_ds shminfo sigaction sigcontext sigevent sigjmp_buf \
    signalfd_siginfo sigstack sigval sleep stat stat64 statfs statfs64 statvfs statvfs64 statx statx_timestamp sync \
    sysinfo system tcp_ca_state tcp_cookie_transactions tcp_info tcp_md5sig tcp_repair_opt tcp_repair_window tcp_seq \
    tcp_zerocopy_receive tcphdr termio termios thrd time timer timerfd timespec timeval timex timezone tm tms tss u_char u_int u_long \
    u_short ucred uint ulong ushort utimbuf utmp utmpx utsname va_list winsize write";

/// What begins constants of those headers that could be a variant's: `SIZE_MAX`, `MAP_SHARED`.
const CONSTANT_PREFIXES: &str = "abday abmon adj af ai aio alt altmon am arg at atomic bc big block bool boot bus byte c char charclass cld clock \
    clocks clone close cmsg coll cpu currency d day dbl dead decimal delaytimer dev df dl dlfo dn dt dtf e eai ef \
    efa efd ei elf elf32 elf64 elfcompress elfosabi em epoll era et ev exec exit expr f falloc fd fe filename flt \
    fnm fopen fp fpe frac fsconfig fsmount fsopen fspick ftw gai glob gnu grnd group grp host huge hwcap if iff ill \
    in in6 in6addr inaddr inet inet6 init int int16 int32 int64 int8 intmax intptr ioc iocsize iov ip ipc ipport \
    ipproto ipv6 itimer l lc ldbl line link lio little lituse ll llong lm lock log login long m madv map math max mb \
    mcast mcl mfd mips mlock mm mnt mod mon mount move mq mremap ms msg n name negative netdb new ngroups ni nl no \
    note nr nss nt ntp o odk oex ohw ohwa0 ohwa1 old once opad open p path pdp pf pipe pkey pm pn poll positive \
    posix ppc ppc64 pr prio prot pt pthread ptrdiff r rand re reg regs rename rhf rlim rlim64 rlimit rtld rtsig run \
    rusage rwf rwh s sa schar sched scm scope seek segv sem sfd shf shm shn shrt sht shut si sig sigev siocgstamp \
    siocgstampns size so sock sol splice ss ssize st sta stack statx stb stderr stdin stdout stn sto stt stv sun \
    syminfo sync sys syscall t tcp tcpi tcpolen tcpopt temp tfd th thousands time timer timespec timeval tiocm \
    tiocpkt tiocser tmp trap try tss tty ttydef uchar uint uint16 uint32 uint64 uint8 uintmax uintptr uio ul ullong \
    ulong umount user ushrt utime utmpx ver w wait wchar wint word wrde wtmpx x xattr";

/// Whether a macro may replace the name, wherever that stands. In capitals all names belong to macros:
/// `INT_MAX`, `SYS_read`, `PRIu64`.
fn is_taken_by_macros(name: &str) -> bool {
    let mut letters = name.chars();
    let capital = letters.next().is_some_and(|c| c.is_ascii_uppercase());
    let is_small = |c: char| c.is_ascii_lowercase();
    capital && !letters.next().is_some_and(is_small)
        || is_among(name, MACROS)
        || MACRO_PREFIXES.split(' ').any(|p| name.starts_with(p))
}

/// The name of a member: a schema's own, wherever that is one in C.
pub(super) fn member(name: &str) -> String {
    let mut plain = ascii(name);
    if plain.starts_with(|first: char| first.is_ascii_digit()) {
        plain.insert(0, '_');
    }
    if is_among(&plain, KEYWORDS) || is_taken_by_macros(&plain) {
        plain.push('_');
    }
    plain
}

/// The name of a member in the header that the Rust type was made of.
pub(super) fn existing(name: &str) -> String {
    match name.strip_suffix('_') {
        Some(plain) if is_among(plain, RUST) => plain.to_owned(),
        _ => ascii(name),
    }
}

/// The name of a type: `StPid` is `st_pid`.
pub(super) fn snake(name: &str) -> String {
    let mut snake = separated(name);
    if snake.starts_with(|first: char| first.is_ascii_digit()) {
        snake.insert(0, '_');
    }
    // POSIX keeps `…_t` for itself.
    let families =
        snake.ends_with("_t") || snake.starts_with("pthread") || snake.starts_with("sockaddr");
    if families
        || is_among(&snake, KEYWORDS)
        || is_among(&snake, TYPES)
        || is_taken_by_macros(&snake)
    {
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
    // Of two words only where the first one is short, as in `PR_SET_NAME`.
    let first = prefix.split('_').next().unwrap_or_default();
    if is_among(first, CONSTANT_PREFIXES) && (first == prefix || first.len() <= 3) {
        prefix.push('_');
    }
    prefix.to_ascii_uppercase()
}

/// The same for what stands behind a prefix, and so needs no care for what is taken.
pub(super) fn screaming_part(name: &str) -> String {
    separated(name).to_ascii_uppercase()
}

/// The type of a primitive.
pub(super) fn primitive_type(primitive: Primitive) -> &'static str {
    match primitive.stored_as() {
        Primitive::U8 => "uint8_t",
        Primitive::U16 => "uint16_t",
        Primitive::U32 => "uint32_t",
        Primitive::U64 => "uint64_t",
        Primitive::U128 => "shmbox_u128",
        Primitive::I8 => "int8_t",
        Primitive::I16 => "int16_t",
        Primitive::I32 => "int32_t",
        Primitive::I64 => "int64_t",
        Primitive::I128 => "shmbox_i128",
        Primitive::F32 => "float",
        Primitive::F64 => "double",
        Primitive::Bool => "bool",
        _ => "uint32_t /* char: a Unicode scalar value */",
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

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
            ("Stat", "stat_"),
            ("Group", "group_"),
            ("Epoll", "epoll_"),
            ("PthreadMutex", "pthread_mutex_"),
            ("SizeT", "size_t_"),
            ("Status", "status"),
            ("Größe", "gru00f6u00dfe"),
        ] {
            assert_eq!(snake(rust), c);
        }
        for (rust, c) in [
            ("StPid", "ST_PID_"),
            ("Sock", "SOCK_"),
            ("PrSet", "PR_SET_"),
            ("LineKind", "LINE_KIND"),
            ("Light", "LIGHT"),
        ] {
            assert_eq!(screaming(rust), c);
        }
    }

    #[test]
    fn members_keep_their_names_where_c_and_cpp_let_them() {
        for (rust, c) in [
            ("pid", "pid"),
            ("0", "_0"),
            ("int", "int_"),
            ("class", "class_"),
            ("INT_MAX", "INT_MAX_"),
            ("EINVAL", "EINVAL_"),
            ("PRIu64", "PRIu64_"),
            ("I", "I_"),
            ("Name", "Name"),
            ("si_pid", "si_pid_"),
            ("sigma", "sigma"),
        ] {
            assert_eq!(member(rust), c);
        }
    }

    /// Headers of POSIX, C11 and Linux.
    const HEADERS: &str = "aio.h arpa/inet.h assert.h complex.h cpio.h ctype.h dirent.h dlfcn.h err.h errno.h fcntl.h fenv.h \
        float.h fmtmsg.h fnmatch.h ftw.h getopt.h glob.h grp.h iconv.h ifaddrs.h inttypes.h iso646.h \
        langinfo.h libgen.h limits.h locale.h malloc.h math.h monetary.h mqueue.h ndbm.h net/if.h netdb.h \
        netinet/in.h netinet/tcp.h nl_types.h poll.h pthread.h pwd.h regex.h sched.h search.h semaphore.h \
        setjmp.h signal.h spawn.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h \
        strings.h stropts.h sys/auxv.h sys/epoll.h sys/eventfd.h sys/file.h sys/inotify.h sys/ioctl.h \
        sys/ipc.h sys/mman.h sys/mount.h sys/msg.h sys/param.h sys/prctl.h sys/random.h sys/resource.h \
        sys/select.h sys/sem.h sys/sendfile.h sys/shm.h sys/signalfd.h sys/socket.h sys/stat.h sys/statfs.h \
        sys/statvfs.h sys/syscall.h sys/sysinfo.h sys/sysmacros.h sys/time.h sys/timerfd.h sys/times.h \
        sys/timex.h sys/types.h sys/uio.h sys/un.h sys/utsname.h sys/vfs.h sys/wait.h sys/xattr.h syslog.h \
        tar.h termios.h tgmath.h threads.h time.h trace.h uchar.h ulimit.h unistd.h utime.h utmpx.h wchar.h \
        wctype.h wordexp.h";

    /// All of these headers, preprocessed, with their macros; `None` where there is no compiler.
    fn preprocessed() -> Option<String> {
        let mut text = String::new();
        for header in HEADERS.split(' ') {
            text += &format!("#if __has_include(<{header}>)\n#include <{header}>\n#endif\n");
        }
        let mut compiler = Command::new("cc")
            .args(["-std=gnu11", "-D_GNU_SOURCE", "-E", "-P", "-dD", "-xc", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut input = compiler.stdin.take()?;
        std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = compiler.wait_with_output().ok()?;
        String::from_utf8(output.stdout).ok()
    }

    #[test]
    fn no_name_is_one_that_a_header_of_this_machine_has() {
        let Some(text) = preprocessed() else {
            eprintln!("SKIPPED: there is no C compiler");
            return;
        };
        let words = |text: &'static str| text.split(' ');
        let given = |name: &str, as_given: String| assert_ne!(name, as_given, "`{name}` is taken");
        let mut is_tag = false;
        let mut seen = 0;
        for line in text.lines() {
            if let Some(definition) = line.strip_prefix("#define ") {
                let (name, meaning) = definition.split_once(' ').unwrap_or((definition, ""));
                // One that means itself changes nothing.
                if !name.contains('(') && !name.starts_with('_') && name != meaning {
                    given(name, member(name));
                    seen += 1;
                }
                continue;
            }
            // What follows a brace is no tag.
            let line = line.replace('{', " __ ");
            let parts = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in parts.filter(|part| !part.is_empty()) {
                let plain =
                    !word.starts_with('_') && !word.contains(|c: char| c.is_ascii_uppercase());
                if plain && is_tag && word.len() > 1 {
                    given(word, snake(word));
                    seen += 1;
                }
                for end in
                    words("open close create get set lock load commit unlock version wait box")
                {
                    let start = word
                        .strip_suffix(end)
                        .and_then(|start| start.strip_suffix('_'));
                    if let Some(start) =
                        start.filter(|_| plain && line.contains(&format!("{word} (")))
                    {
                        given(start, snake(start));
                    }
                }
                is_tag = ["struct", "union", "enum"].contains(&word);
            }
        }
        assert!(seen > 1000, "{seen} names");
    }
}

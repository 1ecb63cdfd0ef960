//! What is refused, in which words, and that nothing is written then.

use std::process::Command;

use shm_core::SharedBox;

use crate::mirror::stage::*;

#[test]
fn another_layout_is_refused_with_both_and_nothing_is_written() {
    on_stage!();
    let broker = Broker::start();
    let _source = Mirror::source(&broker.url());
    let _shared = load_box(1);
    let other = SharedBox::create_new(TARGET, [7_u16; 3]).unwrap();
    let (code, said) = Mirror::target(&broker.url()).ended();
    assert_eq!(code, 5, "{said}");
    for part in [
        "another layout than what press-7 publishes",
        "[u16; 3]",
        "nothing was stored",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let seen = other.snapshot().unwrap();
    assert_eq!((seen.value, seen.version), ([7; 3], 1));
}

#[test]
fn a_table_is_refused_before_it_ends_the_source_that_has_its_name() {
    on_stage!();
    let broker = Broker::start();
    let url = broker.url();
    let _source = Mirror::source(&url);
    let _target = Mirror::target(&url);
    let shared = load_box(1);
    alike(&shared);
    let mut options = shm_core::SharedTable::<u32>::options();
    let _table = options.rows(2).create_new(0x3333).unwrap();
    let (code, said) = Mirror::start(&format!("0x3333 --to {url} --name press-7")).ended();
    assert!(code == 5 && said.contains("it is a table"), "{said}");
    shared.set(Load::of(2)).unwrap();
    alike(&shared);
}

#[test]
fn a_second_source_is_refused_and_named_at_both_ends() {
    on_stage!();
    let broker = Broker::start();
    let url = broker.url();
    let _first = Mirror::source(&url);
    let target = Mirror::target(&url);
    let shared = load_box(1);
    alike(&shared);
    let second = format!("0x3333 --to {url} --name press-8");
    let (code, said) = Mirror::start(&second).ended();
    assert!(
        code == 4 && said.contains("press-7 publishes below plant/press already"),
        "{said}"
    );
    // One that does not ask.
    let mut value = broker.holds("plant/press/value");
    value[40..47].copy_from_slice(b"press-9");
    broker.publish("plant/press/value", &value);
    target
        .says("it is a mirror of press-7, so what press-9 publishes below plant/press is refused");
    shared.set(Load::of(2)).unwrap();
    alike(&shared);
    // Of two with one name the newer session stays.
    let _again = Mirror::source(&url);
    let (code, said) = _first.ended();
    assert!(
        code == 8 && said.contains("another process has linked under the same name"),
        "{said}"
    );
    shared.set(Load::of(3)).unwrap();
    alike(&shared);
}

#[test]
fn messages_of_another_byte_order_or_format_and_strangers_messages_are_refused_in_words() {
    on_stage!();
    let broker = Broker::start();
    let source = Mirror::source(&broker.url());
    let shared = load_box(1);
    let value = until("it is published", || {
        Some(broker.holds("plant/press/value")).filter(|value| value.len() > 4096)
    });
    assert_eq!(source.end(), 0);
    for (at, byte, says) in [
        (6, b'b', "from a machine of another byte order"),
        (4, 9, "it has format 9"),
        (0, b'x', "no message of `shm mirror`"),
    ] {
        let mut other = value.clone();
        other[at] = byte;
        broker.publish("plant/press/value", &other);
        let (code, said) = Mirror::target(&broker.url()).ended();
        assert!(code == 5 && said.contains(says), "{said}");
    }
    assert!(SharedBox::<Load>::open(TARGET).is_err());
    drop(shared);
}

#[test]
fn a_value_that_is_larger_than_the_broker_takes_is_an_error_that_says_so() {
    on_stage!();
    let _shared = load_box(1);
    for limit in ["max_packet_size 3000", "message_size_limit 3000"] {
        let broker = Broker::with(&format!("allow_anonymous true\n{limit}"));
        let (code, said) = Mirror::source(&broker.url()).ended();
        assert!(
            code == 5 && said.contains("does not take a value of 4096 bytes"),
            "{said}"
        );
    }
}

#[test]
fn a_login_comes_from_a_file_or_the_environment_and_from_no_command_line() {
    on_stage!();
    let passwords = Folder::new();
    let file = passwords.path("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-c", "-b", &file, "ada", "s3cret:x"])
        .output();
    assert!(made.unwrap().status.success());
    let broker = Broker::with(&format!("allow_anonymous false\npassword_file {file}"));
    let url = broker.url();
    let shared = load_box(1);
    let (code, said) = Mirror::source(&url.replace("//", "//ada:s3cret@")).ended();
    assert!(code == 2 && said.contains("--login"), "{said}");
    let open = passwords.file("open", "ada:s3cret:x\n", 0o644);
    let (code, said) = Mirror::start(&format!("{TARGET} --from {url} --login {open}")).ended();
    assert!(code == 4 && said.contains("others may read it"), "{said}");
    let refused = Mirror::with(
        &format!("{TARGET} --from {url}"),
        &[("SHM_MIRROR_LOGIN", "ada:x")],
    );
    refused.says("link down");
    let login = passwords.file("login", "ada:s3cret:x\n", 0o600);
    let _source = Mirror::start(&format!("{SOURCE} --to {url} --name a --login {login}"));
    let arguments = format!("{TARGET} --from {url}");
    let _target = Mirror::with(&arguments, &[("SHM_MIRROR_LOGIN", "ada:s3cret:x")]);
    alike(&shared);
}

#[test]
fn with_tls_only_a_broker_that_the_authority_vouches_for_is_spoken_to() {
    on_stage!();
    let keys = Folder::new();
    let made = |arguments: &str| {
        let arguments = arguments.replace("DIR/", &keys.path(""));
        Command::new("openssl")
            .args(arguments.split_whitespace())
            .output()
            .map(|ran| ran.status.success())
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    if made("version").is_err() {
        println!("SKIPPED: no openssl makes certificates");
        return;
    }
    for command in [
        format!("req -x509 {key} -subj /CN=ca -keyout DIR/ca.key -out DIR/ca.pem"),
        format!("req -x509 {key} -subj /CN=other -keyout DIR/other.key -out DIR/other.pem"),
        format!(
            "req -x509 {key} -CA DIR/ca.pem -CAkey DIR/ca.key -subj /CN=broker -addext subjectAltName=DNS:localhost \
             -addext basicConstraints=critical,CA:FALSE -keyout DIR/broker.key -out DIR/broker.pem"
        ),
        format!(
            "req -x509 {key} -CA DIR/ca.pem -CAkey DIR/ca.key -subj /CN=me -addext basicConstraints=critical,CA:FALSE -keyout DIR/me.key -out DIR/me.pem"
        ),
    ] {
        if !matches!(made(&command), Ok(true)) {
            println!("SKIPPED: this openssl can't: {command}");
            return;
        }
    }
    let path = |name| keys.path(name);
    let broker = Broker::with(&format!(
        "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        path("ca.pem"),
        path("broker.pem"),
        path("broker.key")
    ));
    let url = format!("mqtts://localhost:{}/plant/press", broker.port);
    let shared = load_box(1);
    let wrong = Mirror::start(&format!("{TARGET} --from {url} --ca {}", path("other.pem")));
    wrong.says("link down");
    drop(wrong);
    let trust = format!(
        "--ca {} --cert {} --key {}",
        path("ca.pem"),
        path("me.pem"),
        path("me.key")
    );
    let _source = Mirror::start(&format!("{SOURCE} --to {url} --name a {trust}"));
    let _target = Mirror::start(&format!("{TARGET} --from {url} {trust}"));
    alike(&shared);
}

//! `shm mirror` between segments of one machine, over a mosquitto that is real and a network that is not.

mod kills;
mod refusals;
mod stage;

use crate::space::{json, printed};
use std::time::Duration;

use shm_core::{Inspector, SharedBox, SharedLayout};
use stage::*;

#[test]
fn values_versions_and_lives_follow_the_source_and_show_says_how_old_they_are() {
    on_stage!();
    let broker = Broker::start();
    let (source, target) = (Mirror::source(&broker.url()), Mirror::target(&broker.url()));
    // Before there is a value.
    source.says("link up");
    let shared = load_box(1);
    alike(&shared);
    for number in 2..50 {
        shared.set(Load::of(number)).unwrap();
    }
    alike(&shared);
    let text = until("show says it", || {
        let text = printed("show 0x2222");
        text.contains("link up").then_some(text)
    });
    assert!(
        text.contains("version 49 · mirrored from press-7, age 0."),
        "{text}"
    );
    let mirror = &json("show --json 0x2222")["mirror"];
    assert_eq!(
        (&mirror["source"], &mirror["link"]),
        (&"press-7".into(), &"up".into())
    );
    // A life with versions of its own: a reader of the old one is told.
    let attached = SharedBox::<Load>::open(TARGET).unwrap();
    shared.remove().unwrap();
    let shared = load_box(50);
    alike(&shared);
    assert_eq!(shown().unwrap().1, 1);
    assert!(attached.is_removed().unwrap());
    // Another program removes the far end.
    shm_core::remove(TARGET).unwrap();
    alike(&shared);
    // Its end is told, and so is that of the mirror.
    assert_eq!(source.end(), 0);
    until("show says that the source has gone", || {
        printed("show 0x2222")
            .contains("link source gone")
            .then_some(())
    });
    assert_eq!(target.end(), 0);
    assert!(printed("show 0x2222").contains("link down"));
    assert_eq!(shown().unwrap().0, 50);
    // Nothing stays but the two segments, and of a removed one nothing.
    let records = || std::fs::read_dir("/dev/shm").unwrap().count();
    assert_eq!(records(), 1);
    printed("rm --yes 0x2222");
    assert_eq!(records(), 0);
}

#[test]
fn a_broker_that_dies_forgets_or_remembers_what_is_old_and_both_sides_are_alike_again() {
    on_stage!();
    // What it has on disk is of its start.
    let persistent =
        "allow_anonymous true\npersistence true\npersistence_location FOLDER\nautosave_interval 1";
    for lines in ["allow_anonymous true", persistent] {
        let mut broker = Broker::with(lines);
        let (_source, _target) = (Mirror::source(&broker.url()), Mirror::target(&broker.url()));
        let shared = load_box(1);
        for number in [10, 20] {
            alike(&shared);
            broker.kill();
            for number in number..number + 5 {
                shared.set(Load::of(number)).unwrap();
            }
            broker.again();
        }
        alike(&shared);
        shared.remove().unwrap();
        shm_core::remove(TARGET).unwrap();
    }
}

#[test]
fn a_network_that_delays_stalls_and_cuts_messages_in_two_shows_nothing_torn_or_older() {
    on_stage!();
    let broker = Broker::start();
    let (near, far) = (Proxy::to(broker.port), Proxy::to(broker.port));
    let (_source, _target) = (Mirror::source(&near.url()), Mirror::target(&far.url()));
    let shared = load_box(1);
    alike(&shared);
    let mut number = 1;
    let mut last = 0;
    let rounds = if std::env::var_os("SHM_FULL").is_some() {
        20
    } else {
        1
    };
    for _ in 0..rounds {
        for (end, net) in [
            (&near, Net::Delays),
            (&near, Net::Cuts),
            (&far, Net::Cuts),
            (&far, Net::Stalls),
            (&near, Net::Stalls),
        ] {
            end.net(net);
            for _ in 0..200 {
                number += 1;
                shared.set(Load::of(number)).unwrap();
                if let Some((shown, ..)) = shown() {
                    assert!(shown >= last, "{shown} after {last}");
                    last = shown;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            end.net(Net::Passes);
            alike(&shared);
        }
    }
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[shared(name = "Press")]
#[repr(C)]
struct Press1 {
    force: u32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[shared(name = "Press", version = 2)]
#[repr(C)]
struct Press2 {
    force: u32,
    #[shared(since = 2, default = 7)]
    heat: u32,
}

#[test]
fn an_earlier_or_later_version_of_the_type_goes_by_the_rules_of_evolution() {
    on_stage!();
    let broker = Broker::start();
    let (_source, _target) = (Mirror::source(&broker.url()), Mirror::target(&broker.url()));
    let shared = SharedBox::create_new(SOURCE, Press1 { force: 1 }).unwrap();
    let far = || SharedBox::<Press1>::open(TARGET).ok()?.snapshot().ok();
    let is = |force, version| {
        move || far().filter(|seen| (seen.value.force, seen.version) == (force, version))
    };
    until("it is mirrored", is(1, 1));
    // The far program is newer: its field is its own.
    let newer = SharedBox::<Press2>::options()
        .upgrade(true)
        .open(TARGET)
        .unwrap();
    newer.set(Press2 { force: 1, heat: 99 }).unwrap();
    for force in 2..6 {
        shared.set(Press1 { force }).unwrap();
    }
    until("versions are the source's again", is(5, 5));
    // If it was made anew for that, it kept the later version and what that had brought.
    let newer = SharedBox::<Press2>::open(TARGET).unwrap();
    assert_eq!(newer.get().unwrap(), Press2 { force: 5, heat: 99 });
    newer.remove().unwrap();
    drop(newer);
    until("it is made again", is(5, 5));
    // The source is: its program upgrades in place.
    let upgraded = SharedBox::<Press2>::options()
        .upgrade(true)
        .open(SOURCE)
        .unwrap();
    upgraded.set(Press2 { force: 6, heat: 8 }).unwrap();
    let version = upgraded.version();
    until("all of it is mirrored", is(6, version));
    let seen = SharedBox::<Press2>::open(TARGET).unwrap().get().unwrap();
    assert_eq!(seen, Press2 { force: 6, heat: 8 });
}

#[test]
fn one_process_carries_many_links_of_a_file_and_a_link_that_fails_ends_none_beside_it() {
    on_stage!();
    let broker = Broker::start();
    let url = broker.url();
    let config = broker.folder.file(
        "links",
        &format!(
            "# of one machine\n{SOURCE} --to {url} --name a\n\n{TARGET} --from {url}\n0x3333 --from {url}\nid:0 --from {url}/none\n"
        ),
        0o600,
    );
    let mirror = Mirror::start(&format!("--config {config}"));
    let shared = load_box(3);
    alike(&shared);
    until("the second target follows", || {
        Inspector::open(0x3333)
            .ok()
            .filter(|target| target.version() == 1)
    });
    assert_eq!(mirror.end(), 0);
    let wrong = broker.folder.file("wrong", "0x1 --too x\n", 0o600);
    let (code, said) = Mirror::start(&format!("--config {wrong}")).ended();
    assert!(code == 2 && said.contains("wrong:1: "), "{said}");
    assert!(said.contains("did you mean `--to`?"), "{said}");
    let empty = broker.folder.file("empty", "# none\n", 0o600);
    let (code, said) = Mirror::start(&format!("--config {empty}")).ended();
    assert!(code == 2 && said.contains("no link is in it; "), "{said}");
}

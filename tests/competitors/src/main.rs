//! Measures `shm-core` beside its alternatives: the same struct, the same machine, the same run.
//!
//! Candidates take turns in many short rounds; reported are the minimum and the median of the
//! rounds. Judged are ratios of minima for calls of one process, of medians where processes compete
//! and only of rounds that other programs left alone.

mod child;
mod goals;
mod measure;
mod peer;
mod place;
mod plot;
mod shift;
mod table;
mod value;

use std::path::Path;
use std::process::ExitCode;

use measure::{
    Effort, Report, attach, build, contention, files, readers, rows, solo, takeover, under_writer, wake,
};

const HELP: &str = "\
Measures shm-core beside its alternatives and prints one table.

  --check          prints the goals, each met or MISSED; the exit code says whether all are met
  --json           prints all figures as JSON
  --plot           redraws the plots in tests/competitors/plots
  --build-times    measures clean release builds too (minutes) and records them in tests/competitors/build-times.json
  --quick          a fifth of the rounds
  --only PART,...  solo, readers, under_writer, contention, attach, files, rows, wake, takeover
";

/// Values of a mebibyte are passed around by value.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let run = || {
        let args: Vec<String> = std::env::args().skip(1).collect();
        if args.first().is_some_and(|first| first == child::FLAG) {
            child::main(&args[1..]);
            return ExitCode::SUCCESS;
        }
        parent(&args)
    };
    let main = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(run)
        .expect("a thread");
    main.join().unwrap_or(ExitCode::FAILURE)
}

fn parent(args: &[String]) -> ExitCode {
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let only = args.iter().skip_while(|arg| *arg != "--only").nth(1);
    let known = [
        "--check",
        "--json",
        "--plot",
        "--build-times",
        "--quick",
        "--only",
    ];
    if let Some(unknown) = args
        .iter()
        .find(|arg| !known.contains(&arg.as_str()) && Some(*arg) != only)
    {
        let asked = ["--help", "-h"].contains(&unknown.as_str());
        eprint!(
            "{}{HELP}",
            if asked {
                String::new()
            } else {
                format!("unknown: {unknown}\n")
            }
        );
        return if asked {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    }
    let effort = Effort(if has("--quick") { 2 } else { 10 });
    let wanted = |part: &str| only.is_none_or(|only| only.split(',').any(|name| name == part));
    let report = measure(effort, wanted, has("--build-times"));

    if has("--plot") {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("plots");
        if let Err(error) = plot::draw(&report, &directory) {
            eprintln!("the plots could not be drawn: {error}");
            return ExitCode::FAILURE;
        }
    }
    let goals = goals::judge(&report);
    if has("--json") {
        let all = serde_json::json!({ "figures": report, "goals": goals });
        println!("{all:#}");
    } else {
        println!("{}", table::report(&report));
        if !report.files.is_empty() {
            println!("\n{}", table::files(&report));
        }
        if !report.rows.is_empty() {
            println!("\n{}", table::rows(&report));
        }
        if !report.wake.is_empty() {
            println!("\n{}", table::wake(&report));
        }
        if !report.boost {
            println!(
                "\nBoost.Interprocess is skipped: <boost/interprocess> was not found when this was built."
            );
        }
        if has("--check") {
            println!("\n{}", table::goals(&goals));
        }
    }
    if has("--check") && goals.iter().any(|goal| !goal.met) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn measure(effort: Effort, wanted: impl Fn(&str) -> bool, build_times: bool) -> Report {
    fn part<R: Default>(name: &str, wanted: bool, measure: impl FnOnce() -> R) -> R {
        if !wanted {
            return R::default();
        }
        eprintln!("measuring {name} ...");
        measure()
    }
    Report {
        boost: cfg!(boost),
        solo: part("one process", wanted("solo"), || solo::measure(effort)),
        readers: part("several readers", wanted("readers"), || {
            readers::measure(effort)
        }),
        under_writer: part("a reader beside a writer", wanted("under_writer"), || {
            under_writer::measure(effort)
        }),
        contention: part("several writers", wanted("contention"), || {
            contention::measure(effort)
        }),
        attach: part("attach and create", wanted("attach"), || {
            attach::measure(effort)
        }),
        files: part("files", wanted("files"), || files::measure(effort)),
        rows: part("rows", wanted("rows"), || rows::measure(effort)),
        wake: part("wake-ups", wanted("wake"), || wake::measure(effort)),
        takeover: part("takeovers", wanted("takeover"), || {
            takeover::measure(effort)
        }),
        build: match build_times {
            true => build::measure().expect("cargo"),
            false => build::recorded(),
        },
    }
}

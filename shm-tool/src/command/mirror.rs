//! `shm mirror`: a value on other machines.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use clap::{Args, Command, FromArgMatches};
use shm_core::Place;

use crate::cli::place;
use crate::command::restore::octal;
use crate::failure::{Exit, Failure};
use crate::kernel::files::looked_into;

use crate::mirror::{Broker, NAME, STOPPED, Source, Target, Trust, began, gone, random};
use crate::usage;

/// Carry a value to other machines, over MQTT
///
/// One end reads a segment or file and publishes each newer version below a topic;
/// on other machines one writes a segment or file that has them: the newest only,
/// under the same versions. It is made if it is not there, and must else have the
/// same type, or an earlier or later version of it. `shm show` tells there how old
/// the value is. Ends by SIGTERM; links that break are made again.
///
/// A user and a password come from a file, or from SHM_MIRROR_LOGIN: USER:PASSWORD.
///
/// Examples:
///   shm mirror 0x1234 --to mqtt://broker/plant/press --name press-7
///   shm mirror 0x1234 --from mqtt://broker/plant/press
///   shm mirror --config /etc/shm-mirror        a line of such arguments for each link
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Mirror {
    /// The value: 0x1234, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place, required_unless_present = "config")]
    place: Option<Place>,

    /// Read the place, and publish below the topic: mqtt://HOST[:PORT]/TOPIC, or mqtts: with TLS
    #[arg(long, value_name = "URL", required_unless_present_any = ["from", "config"], requires = "name")]
    to: Option<Broker>,

    /// Make the place what is published below the topic
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    from: Option<Broker>,

    /// What this source is called, for which the topic is then reserved; with --from the only source that is taken
    #[arg(long, value_parser = name)]
    name: Option<String>,

    /// Many links in one process: a line of PLACE and options for each
    #[arg(long, value_name = "FILE", conflicts_with_all = ["place", "to", "from", "name", "login", "ca", "cert"])]
    config: Option<PathBuf>,

    /// Has USER:PASSWORD, and others may not read it
    #[arg(long, value_name = "FILE")]
    login: Option<PathBuf>,

    /// Certificate of the authority that vouches for the broker, PEM; without it those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Certificate of this client, PEM
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca"])]
    cert: Option<PathBuf>,

    /// Key of this client, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Of what is made: the permissions, octal
    #[arg(long, default_value = "600", value_parser = octal)]
    mode: u32,
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    let wanted = || format!("write at most {NAME} bytes");
    fits.then(|| text.to_owned()).ok_or_else(wanted)
}

impl Mirror {
    pub fn run(self) -> Result<(), Failure> {
        ctrlc::set_handler(|| STOPPED.store(true, Relaxed))
            .map_err(|error| Failure::new(Exit::Other, error))?;
        let Some(config) = &self.config else {
            return self.link();
        };
        let links = links(config)?;
        let run = |link: Mirror| link.link().inspect_err(Failure::say);
        let running = links
            .into_iter()
            .map(|link| thread::spawn(move || run(link)));
        let mut all_well = true;
        for link in running.collect::<Vec<_>>() {
            all_well &= matches!(link.join(), Ok(Ok(())));
        }
        match all_well {
            true => Ok(()),
            false => Err(Failure::silent(Exit::InPart)),
        }
    }

    /// One link, until it is stopped.
    fn link(self) -> Result<(), Failure> {
        let trust = self.trust()?;
        let (Some(place), Some(broker)) = (self.place, self.to.as_ref().or(self.from.as_ref()))
        else {
            return Err(Failure::usage(
                "it is no link; write PLACE, and --to or --from",
            ));
        };
        let place = looked_into(&place);
        match self.name {
            Some(name) if self.to.is_some() => {
                let began = began();
                let will = (format!("{}/beat", broker.topic), gone(&name, began));
                let client = format!("shm:{}:{name}", broker.topic);
                let engine = broker.engine(&client, trust, Some(will));
                Source::new(engine, place, &broker.topic, name, began).run()
            }
            source => {
                let engine = broker.engine(&format!("shm:{:016x}", random()), trust, None);
                Target::new(engine, place, &broker.topic, source, self.mode).run()
            }
        }
    }

    fn trust(&self) -> Result<Trust, Failure> {
        let login = match &self.login {
            Some(path) => Some(secret(path)?),
            None => std::env::var("SHM_MIRROR_LOGIN").ok(),
        };
        let login = login.map(|login| {
            let parts = login.trim_end_matches('\n').split_once(':');
            let parts = parts.map(|(user, password)| (user.to_owned(), password.to_owned()));
            parts.ok_or_else(|| Failure::usage("it is no login; write USER:PASSWORD"))
        });
        let pem = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
        Ok(Trust {
            login: login.transpose()?,
            authority: pem(&self.ca)?,
            identity: pem(&self.cert)?.zip(pem(&self.key)?),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let next = "name a file that is there, and that this user may read";
    fs::read(path).map_err(|error| Failure::of_file(path.display(), "read", &error, next))
}

fn secret(path: &Path) -> Result<String, Failure> {
    let mode = fs::metadata(path).map_or(0, |meta| meta.mode());
    if mode & 0o007 != 0 {
        let text = format!("{}: others may read it; `chmod o= {0}`", path.display());
        return Err(Failure::new(Exit::NotPermitted, text));
    }
    Ok(String::from_utf8_lossy(&read(path)?).into_owned())
}

/// The links of a file: a line for each, but for empty ones and those that begin with `#`.
fn links(path: &Path) -> Result<Vec<Mirror>, Failure> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let parse = |(at, line): (usize, &str)| {
        let arguments = Mirror::augment_args(Command::new("mirror").no_binary_name(true));
        let parsed = arguments.try_get_matches_from(line.split_whitespace());
        let parsed = parsed.and_then(|parsed| Mirror::from_arg_matches(&parsed));
        let why =
            |what: &dyn Display| Failure::usage(format!("{}:{}: {what}", path.display(), at + 1));
        let link = parsed.map_err(|error| why(&usage::ended(&error)))?;
        match link.config {
            None => Ok(link),
            Some(_) => Err(why(&"a line is one link; leave --config out")),
        }
    };
    let links: Vec<Mirror> = lines.map(parse).collect::<Result<_, _>>()?;
    if links.is_empty() {
        let file = path.display();
        return Err(Failure::usage(format!(
            "{file}: no link is in it; write a line for each, as `shm mirror --help` has them"
        )));
    }
    Ok(links)
}

//! `shm completions` and `shm man`: what shells and `man` want, generated from the command line's own description.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::print;

/// Print completions for a shell
///
/// Example: shm completions bash >~/.local/share/bash-completion/completions/shm
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Completions {
    shell: Shell,
}

/// Print the manual page, of `shm` or of one of its commands
///
/// Example: shm man >/usr/local/share/man/man1/shm.1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Man {
    /// The command that the page is about
    command: Option<String>,
}

impl Completions {
    pub fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "shm", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}

impl Man {
    pub fn run(self) -> Result<(), Failure> {
        let mut command = Cli::command();
        command.build();
        let page_of = match &self.command {
            None => command,
            Some(name) => match command.find_subcommand(name) {
                Some(found) => found.clone(),
                None => {
                    return Err(Failure::usage(format!(
                        "{name} is no command; `shm --help` lists them"
                    )));
                }
            },
        };
        let mut page = Vec::new();
        let mut man = clap_mangen::Man::new(page_of);
        if let Some(name) = self.command {
            man = man.title(format!("shm-{name}"));
        }
        man.render(&mut page)?;
        print(&String::from_utf8_lossy(&page))
    }
}

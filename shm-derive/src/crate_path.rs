//! Finds the name under which the caller knows `shm-core`.
//!
//! A derive cannot ask the compiler for it. Cargo names the manifest of the package it compiles,
//! and there a dependency on `shm-core` may go by any name. Where this is not enough (a crate that
//! re-exports `shm-core`, or a build without Cargo), the user says `#[shared(crate = path)]`.

use std::cell::LazyCell;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::manifest::Manifest;

const PACKAGE: &str = "shm-core";

/// The absolute path to `shm-core`, as the package being compiled has to write it.
pub(crate) fn detect() -> TokenStream {
    let name = renamed()
        .unwrap_or_else(|| PACKAGE.to_owned())
        .replace('-', "_");
    let name = syn::parse_str::<Ident>(&name)
        .unwrap_or_else(|_| Ident::new("shm_core", Span::call_site()));
    quote!(::#name)
}

fn renamed() -> Option<String> {
    let path = manifest_path(
        env::var_os("CARGO_MANIFEST_PATH"),
        env::var_os("CARGO_MANIFEST_DIR"),
    )?;
    let manifest = Manifest::read(&fs::read_to_string(&path).ok()?);
    let workspace = || workspace_of(&path, &manifest);
    dependency(&manifest, workspace)
}

fn manifest_path(file: Option<OsString>, dir: Option<OsString>) -> Option<PathBuf> {
    file.map(PathBuf::from)
        .or_else(|| Some(Path::new(&dir?).join("Cargo.toml")))
}

/// The manifest whose `[workspace.dependencies]` the package at `path` inherits.
fn workspace_of(path: &Path, manifest: &Manifest) -> Option<Manifest> {
    let read = |path: &Path| Some(Manifest::read(&fs::read_to_string(path).ok()?));
    let dir = path.parent()?;
    if manifest.has("workspace") {
        return read(path);
    }
    if let Some(root) = manifest.get(&["package", "workspace"]) {
        return read(&dir.join(root).join("Cargo.toml"));
    }
    dir.ancestors()
        .skip(1)
        .find_map(|dir| read(&dir.join("Cargo.toml")).filter(|found| found.has("workspace")))
}

/// The key under which `manifest` depends on `shm-core`. Where there are several, one that every
/// target of the package sees is preferred, and then the package's own name.
fn dependency(manifest: &Manifest, workspace: impl FnOnce() -> Option<Manifest>) -> Option<String> {
    let workspace = LazyCell::new(workspace);
    let mut best: Option<((bool, bool), &str)> = None;
    for (path, value) in manifest.entries() {
        let Some((everywhere, name, rest)) = dependency_entry(path) else {
            continue;
        };
        let is_ours = match rest {
            [key] if key == "package" => value == PACKAGE,
            [key] if key == "workspace" && value == "true" => match &*workspace {
                Some(root) => {
                    root.get(&["workspace", "dependencies", name, "package"])
                        .unwrap_or(name)
                        == PACKAGE
                }
                None => name == PACKAGE,
            },
            // A dependency of our name that does not say which package it is.
            _ => name == PACKAGE && !names_its_package(manifest, path, rest),
        };
        let rank = (everywhere, name == PACKAGE);
        if is_ours && best.is_none_or(|(found, _)| rank > found) {
            best = Some((rank, name));
        }
    }
    best.map(|(_, name)| name.to_owned())
}

/// Takes `[target.….]dependencies.name.rest` apart. The first part tells whether it is plain
/// `dependencies`.
fn dependency_entry(path: &[String]) -> Option<(bool, &str, &[String])> {
    let (in_target, path) = match path {
        [target, _, rest @ ..] if target == "target" => (true, rest),
        path => (false, path),
    };
    let [table, name, rest @ ..] = path else {
        return None;
    };
    match table.as_str() {
        "dependencies" => Some((!in_target, name, rest)),
        "dev-dependencies" | "build-dependencies" => Some((false, name, rest)),
        _ => None,
    }
}

/// Whether the dependency at `path`, which ends in `rest`, says `package = "…"` or inherits what it
/// is.
fn names_its_package(manifest: &Manifest, path: &[String], rest: &[String]) -> bool {
    let dependency = &path[..path.len() - rest.len()];
    manifest.entries().any(|(at, _)| {
        at.strip_prefix(dependency)
            .is_some_and(|rest| matches!(rest, [key] if key == "package" || key == "workspace"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(toml: &str) -> Option<String> {
        dependency(&Manifest::read(toml), || None)
    }

    fn inherited(toml: &str, root: &str) -> Option<String> {
        dependency(&Manifest::read(toml), || Some(Manifest::read(root)))
    }

    #[test]
    fn its_own_name_is_found_in_every_spelling() {
        for toml in [
            "[dependencies]\nshm-core = '1'",
            "[dependencies]\nshm-core = { version = '1', features = ['x'] }",
            "[dependencies]\nshm-core.path = '..'",
            "[dependencies.shm-core]\nversion = '1'",
            "[dev-dependencies]\nshm-core = '1'",
            "[target.'cfg(unix)'.dependencies]\nshm-core = '1'",
            "[dependencies]\nshm-core.workspace = true",
        ] {
            assert_eq!(name(toml).as_deref(), Some("shm-core"), "{toml}");
        }
    }

    #[test]
    fn a_rename_is_found_in_every_spelling() {
        for toml in [
            "[dependencies]\nmemory = { package = 'shm-core', version = '1' }",
            "[dependencies]\nmemory.package = 'shm-core'",
            "[dependencies.memory]\nversion = '1'\npackage = 'shm-core'",
            "[build-dependencies]\nmemory = { package = 'shm-core' }",
            "[target.x86_64-unknown-linux-gnu.dependencies.memory]\npackage = 'shm-core'",
            "[target.'cfg(all(unix, target_os = \"linux\"))'.dev-dependencies]\nmemory = { package = 'shm-core' }",
        ] {
            assert_eq!(name(toml).as_deref(), Some("memory"), "{toml}");
        }
    }

    #[test]
    fn another_package_under_our_name_is_not_ours() {
        assert_eq!(
            name("[dependencies]\nshm-core = { package = 'other', version = '1' }"),
            None
        );
        assert_eq!(
            name("[dependencies]\nshm-core = { version = '1', package = 'other' }\nmemory = { package = 'shm-core' }").as_deref(),
            Some("memory")
        );
    }

    #[test]
    fn the_workspace_decides_what_is_inherited() {
        let member = "[dependencies]\nmemory.workspace = true\nother.workspace = true";
        let root =
            "[workspace.dependencies]\nother = '1'\nmemory = { package = 'shm-core', path = 'x' }";
        assert_eq!(inherited(member, root).as_deref(), Some("memory"));
        let plain = "[workspace.dependencies]\nshm-core = '1'";
        assert_eq!(
            inherited("[dependencies]\nshm-core = { workspace = true }", plain).as_deref(),
            Some("shm-core")
        );
        assert_eq!(
            inherited("[dependencies]\nmemory = { workspace = true }", plain),
            None
        );
    }

    #[test]
    fn of_several_names_the_most_general_is_taken() {
        let toml = "[dev-dependencies]\na = { package = 'shm-core' }\n[dependencies]\nb = { package = 'shm-core' }";
        assert_eq!(name(toml).as_deref(), Some("b"));
        let toml =
            "[dependencies]\na = { package = 'shm-core' }\n[dev-dependencies]\nshm-core = '1'";
        assert_eq!(name(toml).as_deref(), Some("a"));
    }

    #[test]
    fn no_dependency_is_no_name() {
        assert_eq!(
            name("[package]\nname = 'shm-core'\n[dependencies]\nlibc = '1'"),
            None
        );
    }

    #[test]
    fn the_manifest_is_the_file_cargo_names() {
        assert_eq!(
            manifest_path(Some("/a/script.rs".into()), Some("/a".into())),
            Some("/a/script.rs".into())
        );
        assert_eq!(
            manifest_path(None, Some("/a".into())),
            Some("/a/Cargo.toml".into())
        );
        assert_eq!(manifest_path(None, None), None);
    }
}

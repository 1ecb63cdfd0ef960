//! Reads the files of a crate and finds which of them names which: by `use`, or by a path in the code. A name that a file passes on (`pub use`) leads to the file that defines it.
//!
//! What is for tests or for the model checker alone is not read.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, ItemMod, UseTree, Visibility};

type Path = Vec<String>;

/// Which file names which, by their names below `src`.
pub type Arrows = BTreeSet<(String, String)>;

pub struct Crate {
    files: Vec<File>,
    /// The files of each module: two where the target decides which it is.
    modules: BTreeMap<Path, Vec<usize>>,
}

struct File {
    name: String,
    module: Path,
    /// What its `use`s call names of this crate, whether it passes them on, and where they come from.
    names: Vec<(String, bool, Path)>,
    /// Paths in its code.
    paths: Vec<Path>,
}

impl Crate {
    /// Reads the crate whose files `source` gives by their names below `src`.
    pub fn read(source: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut read = Self {
            files: Vec::new(),
            modules: BTreeMap::new(),
        };
        read.file(source, "lib.rs", "", Path::new());
        read.make_absolute();
        read
    }

    /// Every file that was read.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.name)
    }

    /// Who names whom, without what is passed on.
    pub fn uses(&self) -> Arrows {
        self.arrows(false)
    }

    /// Who names whom, or passes its names on.
    pub fn mentions(&self) -> Arrows {
        self.arrows(true)
    }

    fn arrows(&self, passed_on: bool) -> Arrows {
        let mut arrows = Arrows::new();
        for file in &self.files {
            let names = file.names.iter();
            let used = names
                .filter(|(_, on, _)| passed_on || !on)
                .map(|(_, _, path)| path);
            for path in used.chain(&file.paths) {
                for to in self.homes(path, 0) {
                    let to = &self.files[to].name;
                    if *to != file.name {
                        arrows.insert((file.name.clone(), to.clone()));
                    }
                }
            }
        }
        arrows
    }

    /// Reads one file, and the files of its modules. `below` is the folder in which those lie.
    fn file(
        &mut self,
        source: &dyn Fn(&str) -> Option<String>,
        name: &str,
        below: &str,
        module: Path,
    ) {
        let text = source(name).unwrap_or_else(|| panic!("{name} is not there"));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let index = self.files.len();
        self.modules.entry(module.clone()).or_default().push(index);
        self.files.push(File {
            name: name.to_owned(),
            module: module.clone(),
            names: Vec::new(),
            paths: Vec::new(),
        });
        for item in syntax.items.iter().filter(|item| !is_for_tests(item)) {
            match item {
                Item::Use(item) => {
                    let on = !matches!(item.vis, Visibility::Inherited);
                    let mut leaves = Vec::new();
                    flatten(&item.tree, &mut Path::new(), &mut leaves);
                    let names = leaves.into_iter().map(|(name, path)| (name, on, path));
                    self.files[index].names.extend(names);
                }
                Item::Mod(item) if item.content.is_none() => {
                    self.submodule(source, item, (name, below), &module);
                }
                item => paths(item.to_token_stream(), &mut self.files[index].paths),
            }
        }
    }

    fn submodule(
        &mut self,
        source: &dyn Fn(&str) -> Option<String>,
        item: &ItemMod,
        (parent, below): (&str, &str),
        module: &Path,
    ) {
        let mut path = module.clone();
        path.push(item.ident.to_string());
        if let Some(given) = path_attribute(&item.attrs) {
            // From the folder of the file that says so; below such a file modules lie beside it.
            let name = format!("{}{given}", folder(parent));
            self.file(source, &name, folder(&name), path);
            return;
        }
        let inner = format!("{below}{}/", item.ident);
        let plain = format!("{below}{}.rs", item.ident);
        if source(&plain).is_some() {
            self.file(source, &plain, &inner, path);
        } else {
            self.file(source, &format!("{inner}mod.rs"), &inner, path);
        }
    }

    /// Turns the paths as they are written into paths from the root; drops those that lead to other crates.
    fn make_absolute(&mut self) {
        let modules = &self.modules;
        for file in &mut self.files {
            let absolute = |path: &Path| absolute(modules, &file.module, path);
            file.names = file
                .names
                .iter()
                .filter_map(|(name, on, path)| Some((name.clone(), *on, absolute(path)?)))
                .collect();
            let through_use = |path: &Path| {
                let (first, rest) = path.split_first()?;
                let (_, _, from) = file.names.iter().find(|(name, ..)| name == first)?;
                Some(from.iter().chain(rest).cloned().collect())
            };
            file.paths = file
                .paths
                .iter()
                .filter_map(|path| absolute(path).or_else(|| through_use(path)))
                .collect();
        }
    }

    /// The files that define what `path`, from the root, names.
    fn homes(&self, path: &[String], depth: usize) -> Vec<usize> {
        let known = (0..=path.len())
            .rev()
            .find(|&length| self.modules.contains_key(&path[..length]))
            .unwrap_or(0);
        let (module, rest) = path.split_at(known);
        let files = &self.modules[module];
        let Some((name, rest)) = rest.split_first() else {
            return files.clone();
        };
        let mut homes = Vec::new();
        for (_, _, from) in files
            .iter()
            .flat_map(|&file| &self.files[file].names)
            .filter(|(known, _, from)| known == name && *from != path && depth < 16)
        {
            let from: Path = from.iter().chain(rest).cloned().collect();
            homes.extend(self.homes(&from, depth + 1));
        }
        if homes.is_empty() {
            files.clone()
        } else {
            homes
        }
    }
}

fn absolute(modules: &BTreeMap<Path, Vec<usize>>, module: &Path, path: &Path) -> Option<Path> {
    let mut base = module.clone();
    let mut rest = &path[..];
    match rest.first()?.as_str() {
        "crate" | "shm_core" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {}
        // A module of this file; anything else is another crate, or was brought in by another `use`.
        child => {
            base.push(child.to_owned());
            if !modules.contains_key(&base) {
                return None;
            }
            base.pop();
        }
    }
    while rest.first().is_some_and(|step| step == "super") {
        base.pop()?;
        rest = &rest[1..];
    }
    base.extend(rest.iter().filter(|&step| step != "self").cloned());
    Some(base)
}

/// The folder of a file, with a slash at its end.
fn folder(name: &str) -> &str {
    &name[..name.rfind('/').map_or(0, |slash| slash + 1)]
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether a `cfg` leaves the item out of the library: it asks for `test`, and not for its contrary.
fn is_for_tests(item: &Item) -> bool {
    attributes(item).iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        let text = attribute.meta.to_token_stream().to_string();
        let text: String = text.split_whitespace().collect();
        text.starts_with("cfg(test") || text.starts_with("cfg(all(test")
    })
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let meta = attribute.meta.require_name_value().ok()?;
        let syn::Expr::Lit(value) = &meta.value else {
            return None;
        };
        match &value.lit {
            syn::Lit::Str(path) if meta.path.is_ident("path") => Some(path.value()),
            _ => None,
        }
    })
}

/// The leaves of a `use`: each name, and the path that it stands for.
fn flatten(tree: &UseTree, so_far: &mut Path, leaves: &mut Vec<(String, Path)>) {
    let mut leaf = |name: &str, last: Option<String>| {
        let path = so_far.iter().cloned().chain(last).collect();
        leaves.push((name.to_owned(), path));
    };
    match tree {
        UseTree::Name(tree) if tree.ident == "self" => {
            let name = so_far.last().cloned().unwrap_or_default();
            leaf(&name, None);
        }
        UseTree::Name(tree) => leaf(&tree.ident.to_string(), Some(tree.ident.to_string())),
        UseTree::Rename(tree) => leaf(&tree.rename.to_string(), Some(tree.ident.to_string())),
        UseTree::Glob(_) => leaf("*", None),
        UseTree::Path(tree) => {
            so_far.push(tree.ident.to_string());
            flatten(&tree.tree, so_far, leaves);
            so_far.pop();
        }
        UseTree::Group(tree) => {
            for tree in &tree.items {
                flatten(tree, so_far, leaves);
            }
        }
    }
}

/// Collects the paths in `tokens`, but for those from `$crate`, which are for the users of a macro, and for those that say
/// who may see an item.
fn paths(tokens: TokenStream, found: &mut Vec<Path>) {
    let mut path = Path::new();
    let mut colons = 0;
    let mut before_is_dollar = false;
    let mut before_is_pub = false;
    for token in tokens {
        let dollar = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '$');
        let is_pub = matches!(&token, TokenTree::Ident(ident) if ident == "pub");
        match token {
            TokenTree::Group(group) if before_is_pub && limits(&group) => {}
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                path.push(ident.to_string());
                colons = 0;
            }
            token => {
                end(&mut path, found);
                match token {
                    TokenTree::Ident(ident) if colons != 2 && !before_is_dollar => {
                        path.push(ident.to_string());
                    }
                    TokenTree::Group(group) => paths(group.stream(), found),
                    _ => {}
                }
                colons = 0;
            }
        }
        before_is_dollar = dollar;
        before_is_pub = is_pub;
    }
    end(&mut path, found);
}

/// Whether a group behind `pub` is of its own: `(super)` or `(in …)`, and not a tuple.
fn limits(group: &Group) -> bool {
    let mut tokens = group.stream().into_iter();
    let first = tokens.next().map(|token| token.to_string());
    first.is_some_and(|first| first == "in" || tokens.next().is_none())
}

fn end(path: &mut Path, found: &mut Vec<Path>) {
    // A single name is no path.
    if path.len() > 1 {
        found.push(path.clone());
    }
    path.clear();
}

//! The module graph of a crate, read with `syn`: which file uses an item of which other file.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, ItemUse, UseTree, Visibility};

/// The names of a module, from the crate's root: empty for the root itself.
pub(crate) type ModulePath = Vec<String>;

/// What a scope can resolve a name to, modules aside: a function may be called as its module is.
enum Name {
    Item,
    /// An import or re-export: the path as written, and whether it is `pub`.
    Import(Vec<String>, bool),
}

#[derive(Default)]
struct Module {
    file: String,
    is_public: bool,
    children: BTreeSet<String>,
    names: BTreeMap<String, Name>,
    globs: Vec<Vec<String>>,
    /// Paths as written: those of `use` declarations, and those of code and macros.
    imported: Vec<Vec<String>>,
    mentioned: Vec<Vec<String>>,
    /// Items that are not documentation, module declarations or re-exports.
    logic: Vec<String>,
}

/// A crate's modules, each with its file.
pub(crate) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

/// A use of an item in another file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) item: String,
}

impl Crate {
    /// Reads a crate from its files below `src`: paths such as `engine/mod.rs`, and their text.
    /// `root` is `lib.rs` or `main.rs`.
    pub(crate) fn read(root: &str, files: &BTreeMap<String, String>) -> Self {
        let mut modules = BTreeMap::new();
        read_module(Vec::new(), root, true, files, &mut modules);
        Self { modules }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.modules.values().map(|module| module.file.as_str())
    }

    /// Module files (`lib.rs`, `mod.rs`) that hold more than documentation, a list and re-exports.
    pub(crate) fn module_files_with_logic(&self) -> Vec<String> {
        let is_list = |file: &str| file == "lib.rs" || file.ends_with("mod.rs");
        let lists = self.modules.values().filter(|module| is_list(&module.file));
        let logic = lists.flat_map(|module| module.logic.iter().map(|item| (&module.file, item)));
        logic
            .map(|(file, item)| format!("{file}: {item}"))
            .collect()
    }

    /// Each use of an item that stands in another file. A re-export is followed to the file of the
    /// item, and is no use by itself.
    pub(crate) fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (path, module) in &self.modules {
            // What a pure module file imports, it re-exports.
            let is_list = module.logic.is_empty();
            let imported = module.imported.iter().filter(|_| !is_list);
            for used in imported.chain(&module.mentioned) {
                if let Some((file, item)) = self.resolve(path, used, 0)
                    && file != module.file
                {
                    let (from, to) = (module.file.clone(), file);
                    edges.insert(Edge { from, to, item });
                }
            }
        }
        edges
    }

    /// Items that other crates can name, each with its file.
    pub(crate) fn exported(&self) -> BTreeSet<(String, String)> {
        let mut exported = BTreeSet::new();
        let is_reachable = |path: &ModulePath| {
            (0..=path.len()).all(|depth| self.modules[&path[..depth]].is_public)
        };
        for (path, module) in self.modules.iter().filter(|(path, _)| is_reachable(path)) {
            for (name, what) in &module.names {
                match what {
                    Name::Item => drop(exported.insert((module.file.clone(), name.clone()))),
                    Name::Import(target, true) => {
                        exported.extend(self.resolve(path, target, 0));
                    }
                    Name::Import(_, false) => {}
                }
            }
        }
        exported
    }

    /// The file and the name of the item that a path in a module leads to; none if it leads out of
    /// the crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<(String, String)> {
        assert!(depth < 32, "re-exports in a circle: {path:?} in {from:?}");
        let mut at = from.to_vec();
        let mut rest = path;
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()?),
                "self" => {}
                name => {
                    let module = &self.modules[&at];
                    let is_child = module.children.contains(name);
                    match module.names.get(name) {
                        _ if is_child && !tail.is_empty() => at.push(name.to_owned()),
                        None if is_child => at.push(name.to_owned()),
                        Some(Name::Item) => return Some((module.file.clone(), name.to_owned())),
                        Some(Name::Import(target, _)) => {
                            let whole: Vec<String> = target.iter().chain(tail).cloned().collect();
                            // `use name;` of another crate would lead here again.
                            return (whole != rest)
                                .then(|| self.resolve(&at, &whole, depth + 1))
                                .flatten();
                        }
                        None => {
                            return module.globs.iter().find_map(|glob| {
                                let whole: Vec<String> = glob.iter().chain(rest).cloned().collect();
                                self.resolve(&at, &whole, depth + 1)
                            });
                        }
                    }
                }
            }
            rest = tail;
        }
        // The path names a module: what is used of it, other paths tell.
        let module = &self.modules[&at];
        (!module.logic.is_empty()).then(|| (module.file.clone(), "self".to_owned()))
    }
}

fn read_module(
    path: ModulePath,
    file: &str,
    is_public: bool,
    files: &BTreeMap<String, String>,
    modules: &mut BTreeMap<ModulePath, Module>,
) {
    let text = files.get(file).unwrap_or_else(|| panic!("no {file}"));
    let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut module = Module {
        file: file.to_owned(),
        is_public,
        ..Module::default()
    };
    for item in &syntax.items {
        let (attributes, name) = head_of(item);
        if has_condition(attributes, "test") {
            continue;
        }
        match item {
            // A file that is shared with tests.
            Item::Mod(child) if child.attrs.iter().any(|a| a.path().is_ident("path")) => {}
            Item::Mod(child) if child.content.is_none() => {
                let name = child.ident.to_string();
                let mut below = path.clone();
                below.push(name.clone());
                let child_file = file_of(file, &name, files);
                let is_public = matches!(child.vis, Visibility::Public(_));
                read_module(below, &child_file, is_public, files, modules);
                module.children.insert(name);
            }
            Item::Use(item) => read_use(item, &mut module),
            item => {
                let name = name.map(Ident::to_string);
                module
                    .names
                    .extend(name.clone().map(|name| (name, Name::Item)));
                if !has_condition(attributes, "doctest") {
                    module.logic.push(name.unwrap_or_else(|| "impl".to_owned()));
                }
                Mentions(&mut module.mentioned).visit_item(item);
            }
        }
    }
    modules.insert(path, module);
}

fn file_of(parent: &str, name: &str, files: &BTreeMap<String, String>) -> String {
    let stem = parent.strip_suffix(".rs").expect("a Rust file");
    let folder = match stem.rsplit_once('/') {
        None if ["lib", "main"].contains(&stem) => String::new(),
        Some((folder, "mod")) => format!("{folder}/"),
        _ => format!("{stem}/"),
    };
    let flat = format!("{folder}{name}.rs");
    if files.contains_key(&flat) {
        flat
    } else {
        format!("{folder}{name}/mod.rs")
    }
}

fn read_use(item: &ItemUse, module: &mut Module) {
    let is_public = matches!(item.vis, Visibility::Public(_));
    let mut stack = vec![(Vec::new(), &item.tree)];
    while let Some((mut prefix, tree)) = stack.pop() {
        let mut import = |name: String, path: Vec<String>| {
            module.imported.push(path.clone());
            if name != "_" {
                module.names.insert(name, Name::Import(path, is_public));
            }
        };
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                stack.push((prefix, &path.tree));
            }
            UseTree::Group(group) => {
                stack.extend(group.items.iter().map(|tree| (prefix.clone(), tree)));
            }
            UseTree::Name(name) if name.ident == "self" => {
                import(prefix.last().expect("a path").clone(), prefix);
            }
            UseTree::Name(name) => {
                prefix.push(name.ident.to_string());
                import(name.ident.to_string(), prefix);
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    prefix.push(rename.ident.to_string());
                }
                import(rename.rename.to_string(), prefix);
            }
            UseTree::Glob(_) => {
                module.imported.push(prefix.clone());
                module.globs.push(prefix);
            }
        }
    }
}

/// Collects the paths in code, those in the arguments of macros included.
struct Mentions<'a>(&'a mut Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|name| name.ident.to_string());
        self.0.push(names.collect());
        visit::visit_path(self, path);
    }

    /// `pub(super)` uses nothing of the parent.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut inner = Module::default();
        read_use(item, &mut inner);
        self.0.append(&mut inner.imported);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        paths_in(item.tokens.clone(), self.0);
    }
}

fn paths_in(tokens: TokenStream, paths: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    paths.extend((path.len() > 1).then(|| std::mem::take(&mut path)));
                    path.clear();
                }
                path.push(ident.to_string());
                colons = 0;
            }
            other => {
                paths.extend((path.len() > 1).then(|| std::mem::take(&mut path)));
                path.clear();
                colons = 0;
                if let TokenTree::Group(group) = other {
                    paths_in(group.stream(), paths);
                }
            }
        }
    }
    paths.extend((path.len() > 1).then_some(path));
}

/// The attributes and the name of an item, if it has one.
fn head_of(item: &Item) -> (&[Attribute], Option<&Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, Some(&item.ident)),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

/// Whether a `cfg` of these attributes has the word: unit tests at a file's foot may use what they
/// like, and what is only there for doctests is no logic.
fn has_condition(attributes: &[Attribute], word: &str) -> bool {
    let mut conditions = attributes.iter().filter(|a| a.path().is_ident("cfg"));
    conditions.any(|attribute| {
        let list = attribute.meta.require_list().expect("cfg has arguments");
        let text = list.tokens.to_string();
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|found| found == word)
    })
}

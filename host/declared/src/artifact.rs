use std::collections::{BTreeMap, BTreeSet};

use artifacts_text::shortened;

use crate::{Artifact, DeclaredFile, Generator, Name, Prompt, RecipientName};

/// So many bytes of a value that differs are shown.
const SHOWN: usize = 500;

/// Describes a field in which two declarations of one shared artifact differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// Path of the field in the artifact, such as `prompts.p.type`.
    pub field: String,
    /// Its value in the first declaration, shortened.
    pub ours: String,
    /// Its value in the other one, shortened.
    pub theirs: String,
}

impl Artifact {
    /// Compares two declarations of one shared artifact. Every field is named, so that a new one does not compile until someone
    /// decides whether it has to agree. Generators are left out: they may differ by system.
    ///
    /// # Errors
    /// Returns the first field that differs.
    pub fn agrees(&self, other: &Self) -> Result<(), Disagreement> {
        let Artifact {
            description,
            // Both are shared, and neither is blocked: only such declarations are compared.
            shared: _,
            blocked: _,
            backend,
            recipients,
            // It follows from the target's configuration.
            backend_config: _,
            files,
            // Those that are asked for are compared: some are implicit.
            prompts: _,
            dependencies,
            validation,
            max_age,
            rotation,
            timeout,
            network,
            // Which one it is is compared among the targets of one system: by who resolves them.
            generator,
        } = self;
        let difference = differs("backend", backend.as_ref(), other.backend.as_ref(), optional)
            .or_else(|| admins_differ(recipients.as_ref(), other.recipients.as_ref()))
            .or_else(|| files_differ(files, &other.files))
            .or_else(|| generators_differ(generator.as_ref(), other.generator.as_ref()))
            .or_else(|| prompts_differ(&self.asked(), &other.asked()))
            .or_else(|| differs("dependencies", &dependencies.of_shared(), &other.dependencies.of_shared(), words))
            .or_else(|| differs("validation", validation, &other.validation, ToString::to_string))
            .or_else(|| differs("maxAge", max_age.as_ref(), other.max_age.as_ref(), optional))
            .or_else(|| differs("rotation", rotation, &other.rotation, word))
            .or_else(|| differs("timeout", timeout.as_ref(), other.timeout.as_ref(), optional))
            .or_else(|| differs("network", network, &other.network, ToString::to_string))
            .or_else(|| differs("description", description.as_ref(), other.description.as_ref(), quoted));
        difference.map_or(Ok(()), Err)
    }
}

fn admins_differ(ours: Option<&Vec<RecipientName>>, theirs: Option<&Vec<RecipientName>>) -> Option<Disagreement> {
    let set = |names: Option<&'_ Vec<RecipientName>>| names.map(|names| names.iter().cloned().collect::<BTreeSet<_>>());
    let all = |names: Option<&BTreeSet<RecipientName>>| names.map_or_else(|| "all".to_owned(), words);
    differs("recipients", set(ours).as_ref(), set(theirs).as_ref(), all)
}

/// Whether a file is on its target, where, and whose, is each target's own.
fn files_differ(ours: &BTreeMap<Name, DeclaredFile>, theirs: &BTreeMap<Name, DeclaredFile>) -> Option<Disagreement> {
    let (x, y) = (Files::new(ours), Files::new(theirs));
    differs("files", &x.all, &y.all, words).or_else(|| differs("files.secret", &x.secret, &y.secret, words))
}

/// What has to agree of files, by their names.
#[derive(Default)]
struct Files<'a> {
    all: BTreeSet<&'a Name>,
    secret: BTreeSet<&'a Name>,
}

impl<'a> Files<'a> {
    fn new(files: &'a BTreeMap<Name, DeclaredFile>) -> Self {
        let mut sorted = Self::default();
        for (name, file) in files {
            let DeclaredFile {
                secret,
                deploy: _,
                path: _,
                mode: _,
                owner: _,
                group: _,
                restart_units: _,
                reload_units: _,
            } = file;
            sorted.all.insert(name);
            sorted.secret.extend(secret.then_some(name));
        }
        sorted
    }
}

/// Either all targets generate it, or none does.
fn generators_differ(ours: Option<&Generator>, theirs: Option<&Generator>) -> Option<Disagreement> {
    let path = |generator: Option<&Generator>| {
        generator.map_or_else(|| "none".to_owned(), |generator| generator.path.display().to_string())
    };
    (ours.is_some() != theirs.is_some()).then_some(())?;
    differs("generator", ours, theirs, path)
}

fn prompts_differ(ours: &BTreeMap<Name, Prompt>, theirs: &BTreeMap<Name, Prompt>) -> Option<Disagreement> {
    let names = |prompts: &'_ BTreeMap<Name, Prompt>| prompts.keys().cloned().collect::<BTreeSet<_>>();
    differs("prompts", &names(ours), &names(theirs), words)
        .or_else(|| ours.iter().zip(theirs.values()).find_map(|((name, x), y)| prompt_differs(name, x, y)))
}

fn prompt_differs(name: &Name, ours: &Prompt, theirs: &Prompt) -> Option<Disagreement> {
    let Prompt { description, kind, test_value, required: _ } = ours;
    let field = |field: &str| format!("prompts.{name}.{field}");
    differs(&field("type"), kind, &theirs.kind, word)
        .or_else(|| differs(&field("description"), description.as_ref(), theirs.description.as_ref(), quoted))
        .or_else(|| differs(&field("testValue"), test_value.as_ref(), theirs.test_value.as_ref(), quoted))
        .or_else(|| differs(&field("required"), &ours.is_required(), &theirs.is_required(), ToString::to_string))
}

/// Compares the values, and puts them into words only when they differ: different values may have the same words.
fn differs<T: PartialEq + Copy>(field: &str, ours: T, theirs: T, words: impl Fn(T) -> String) -> Option<Disagreement> {
    let shown = |value: T| shortened(&words(value), SHOWN).into_owned();
    (ours != theirs).then(|| Disagreement { field: field.to_owned(), ours: shown(ours), theirs: shown(theirs) })
}

fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn quoted(text: Option<&String>) -> String {
    text.map_or_else(|| "none".to_owned(), |text| format!("{text:?}"))
}

fn words<T: ToString>(items: &BTreeSet<T>) -> String {
    let list: Vec<String> = items.iter().map(ToString::to_string).collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

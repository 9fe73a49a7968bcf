//! What another tool has in a flake, and what becomes of it.

use artifacts_declared::{Name, TargetId};
use artifacts_flow::{ImportSource, SopsFormat, SopsTextFormat, SourceForm};
use artifacts_import::{
    ForeignConfiguration, ForeignForm, FoundForm, ImportModule, KeyedFormat, LARGEST_PART, OldReference, Proposal,
    TextFormat, Tool, add_forms, find, private_key, references,
};
use artifacts_nix::{Flake, ForeignTarget, Nix};
use artifacts_report::Failure;
use artifacts_text::{has_hidden, size, terminal};

use crate::checkout_files::CheckoutFiles;
use crate::console::Console;
use crate::declarations::unevaluated;
use crate::global::Global;
use crate::import_keys;

/// What a program may be given as one argument, in bytes: Linux has this limit.
const ARGUMENT: usize = 128 << 10;

/// Holds what was found.
pub struct ImportSearch {
    pub proposal: Proposal,
    /// What is not declared yet.
    pub module: Option<ImportModule>,
    pub references: Vec<OldReference>,
    /// What could not be evaluated or read.
    pub failures: Vec<Failure>,
}

impl ImportSearch {
    /// Evaluates the flake, and reads the files of its checkout.
    ///
    /// # Errors
    /// When there is no flake, or no checkout of it, or what would be printed is not what is meant.
    pub fn new(global: &Global, nix: &Nix, tool: Tool, console: &Console) -> Result<Self, Failure> {
        if global.spec.is_some() {
            let why = "a spec has no secrets of other tools";
            return Err(Failure::new("import", why).hint(Some("pass a flake in place of it: `--flake`")));
        }
        let waiting = console.waits("evaluating");
        let failed = |error: artifacts_nix::Error| Failure::about(global.flake.clone(), error);
        let flake = nix.flake(&global.flake).map_err(failed)?;
        let found = flake.foreign_secrets().map_err(failed)?;
        let mut failures: Vec<Failure> = found.failures.iter().map(unevaluated).collect();
        let (forms, targets): (Vec<_>, Vec<_>) = found.targets.into_iter().partition(|target| target.form);
        let mut read = |targets: Vec<ForeignTarget>| -> Vec<ForeignForm> {
            let read = targets.into_iter().map(form_of);
            let (found, failed): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
            failures.extend(failed.into_iter().filter_map(Result::err));
            found.into_iter().filter_map(Result::ok).collect()
        };
        let targets = read(targets).into_iter();
        let own = |ForeignForm { id, data, .. }| Some(ForeignConfiguration { id, data: data? });
        let mut configurations: Vec<ForeignConfiguration> = targets.filter_map(own).collect();
        let in_forms = add_forms(tool, &mut configurations, read(forms));
        let files = checkout(global, &flake, &configurations)?;
        let texts = files.texts();
        let mut findings = find(tool, &configurations, &files);
        findings.forms = in_forms;
        if tool == Tool::Agenix {
            let (keys, of_rules) = import_keys::of_agenix(&flake, &files, &texts);
            findings.recipients.extend(keys);
            failures.extend(of_rules);
        }
        let labels = import_keys::labels(&files, &texts);
        let proposal = Proposal::new(tool, &configurations, findings, &labels, &artifacts_age::recipient_of_ssh);
        let module = proposal.module(&configurations);
        if let Some(module) = &module {
            check(nix, module)?;
        }
        drop(waiting);
        let references = references(&proposal, &texts);
        Ok(Self { proposal, module, references, failures })
    }

    /// Returns the files whose values can be taken.
    pub fn sources(&self) -> Vec<ImportSource> {
        let sources = self.proposal.sources().into_iter();
        let source = |(instance, file, value): (_, Name, artifacts_import::FoundValue)| ImportSource {
            instance,
            file,
            path: value.path,
            form: form(value.form),
        };
        sources.map(source).collect()
    }
}

fn form(form: FoundForm) -> SourceForm {
    let format = |format| match format {
        KeyedFormat::Json => SopsFormat::Json,
        KeyedFormat::Yaml => SopsFormat::Yaml,
    };
    match form {
        FoundForm::Age => SourceForm::Age,
        FoundForm::SopsBinary => SourceForm::SopsBinary,
        FoundForm::SopsKey { format: of, key } => SourceForm::SopsKey { format: format(of), key },
        FoundForm::SopsWhole { format: of } => SourceForm::SopsWhole { format: format(of) },
        FoundForm::SopsText { format: TextFormat::Dotenv } => SourceForm::SopsText { format: SopsTextFormat::Dotenv },
        FoundForm::SopsText { format: TextFormat::Ini } => SourceForm::SopsText { format: SopsTextFormat::Ini },
        FoundForm::Plain => SourceForm::Plain,
    }
}

/// Reads what Nix evaluated of a target, or of another form of one.
fn form_of(target: ForeignTarget) -> Result<ForeignForm, Failure> {
    let ForeignTarget { kind, name, place, found, .. } = target;
    let subject = format!("{} {name}", kind.as_str());
    let name = Name::new(name).map_err(|error| Failure::new(subject.clone(), error.to_string()))?;
    let data = serde_json::from_value(found);
    let data = data.map_err(|error| Failure::new(subject, format!("{place}: unexpected options: {error}")))?;
    Ok(ForeignForm { id: TargetId { kind, name }, place, data })
}

/// Finds the checkout of a flake, and the root in it.
fn checkout<'a>(
    global: &Global,
    flake: &'a Flake<'a>,
    configurations: &[ForeignConfiguration],
) -> Result<CheckoutFiles<'a>, Failure> {
    let failed = |error: artifacts_nix::Error| Failure::about(global.flake.clone(), error);
    let top = flake.checkout(Some(flake.source())).map_err(failed)?;
    let declared = configurations.iter().find_map(|one| one.data.root.as_deref());
    let root = match &global.root {
        Some(root) => root.clone(),
        None => flake.checkout(declared.map(AsRef::as_ref)).map_err(failed)?,
    };
    CheckoutFiles::new(flake, &top, &root).map_err(|why| Failure::new(root.display().to_string(), why.to_string()))
}

/// A module has nothing that a person cannot see, or that is of no one else.
fn check_text(text: &str) -> Result<(), String> {
    if let Some(line) = text.split('\n').find(|line| has_hidden(line)) {
        return Err(format!("there is a hidden character in `{}`", terminal(line.trim())));
    }
    private_key(text).map_or(Ok(()), |line| Err(format!("a private key would be in its line {line}")))
}

/// Has Nix read the module back: it says what is meant, whatever names another tool has.
fn check(nix: &Nix, module: &ImportModule) -> Result<(), Failure> {
    let wrong = |why: String| Failure::new("import", format!("the module would not say what it should: {why}"));
    check_text(&module.text).map_err(wrong)?;
    let mut rest = module.parts.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|part| {
            bytes += part.expression.len();
            bytes <= LARGEST_PART
        });
        let (now, later) = rest.split_at(fits.count().max(1));
        let list: Vec<String> = now.iter().map(|part| format!("({})", part.expression)).collect();
        let list = format!("[ {} ]", list.join(" "));
        if list.len() >= ARGUMENT {
            let why =
                format!("an option in it has {}, more than Nix can be given to read back", size(list.len() as u64));
            return Err(wrong(why).hint(Some("make its values shorter there, then import again")));
        }
        let expected: serde_json::Value = now.iter().map(|part| part.value.clone()).collect();
        let found = nix.evaluate_text("reading the module back", &list);
        let found = found.map_err(|error| wrong(error.to_string()))?;
        if found != expected {
            return Err(wrong("Nix reads other values in it".to_owned()));
        }
        rest = later;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::check_text;

    #[test]
    fn nothing_hidden_and_nothing_private_is_printed() {
        assert_eq!(check_text("{\n  owner = \"é\";\n}\n"), Ok(()));
        for text in ["a\u{1b}\\${x}\n", "a\r\n", "a\tb", "\u{202e}", "k = \"AGE-SECRET-KEY-1X\";"] {
            let why = check_text(text).unwrap_err();
            assert!(!why.contains('\u{1b}') && !why.contains("AGE-SECRET"), "{why}");
        }
    }
}

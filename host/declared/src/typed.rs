use std::collections::BTreeMap;

use crate::{Artifact, DeclaredFile, Name, Prompt, PromptKind};

impl Artifact {
    /// Returns whether a person types its files: it has no generator.
    pub fn is_typed(&self) -> bool {
        self.generator.is_none() && !self.blocked
    }

    /// Returns what is asked for: the declared prompts and, without a generator, one for each file, which a declared prompt of its
    /// name refines.
    pub fn asked(&self) -> BTreeMap<Name, Prompt> {
        let mut asked = self.prompts.clone();
        if self.is_typed() {
            for (name, file) in &self.files {
                asked.entry(name.clone()).or_insert_with(|| self.implicit(file));
            }
        }
        asked
    }

    fn implicit(&self, file: &DeclaredFile) -> Prompt {
        let kind = if file.secret { PromptKind::Hidden } else { PromptKind::Line };
        Prompt { description: self.description.clone(), kind, ..Prompt::default() }
    }

    /// Returns the prompts of which nothing would use the answer: without a generator, those that no file is named after.
    pub fn unused_prompts(&self) -> impl Iterator<Item = &Name> {
        let typed = self.is_typed();
        self.prompts.keys().filter(move |name| typed && !self.files.contains_key(*name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn artifact(json: &str) -> Artifact {
        serde_json::from_str(json).unwrap()
    }

    fn asked(json: &str) -> Vec<(String, PromptKind, bool)> {
        let asked = artifact(json).asked();
        asked.iter().map(|(name, prompt)| (name.to_string(), prompt.kind, prompt.is_required())).collect()
    }

    #[test]
    fn without_a_generator_each_file_is_asked_for() {
        let expected = [
            ("password".to_owned(), PromptKind::Hidden, true),
            ("pem".to_owned(), PromptKind::MultilineHidden, true),
            ("spare".to_owned(), PromptKind::Hidden, false),
            ("user".to_owned(), PromptKind::Line, false),
        ];
        let json = r#"{"files": {"password": {}, "pem": {}, "spare": {}, "user": {"secret": false}},
            "prompts": {"pem": {"type": "multiline-hidden"}, "spare": {"required": false}}}"#;
        assert_eq!(asked(json), expected);
    }

    #[test]
    fn an_artifact_with_a_generator_or_an_unknown_one_asks_for_what_it_declares() {
        for more in [r#""generator": {"path": "/g"}"#, r#""blocked": true"#] {
            let json = format!(r#"{{"files": {{"f": {{}}}}, "prompts": {{"p": {{}}}}, {more}}}"#);
            assert_eq!(asked(&json), [("p".to_owned(), PromptKind::Hidden, true)]);
            assert_eq!(artifact(&json).unused_prompts().count(), 0);
        }
    }

    #[test]
    fn an_implicit_prompt_is_described_as_its_artifact_is() {
        let described = artifact(r#"{"description": "mail relay", "files": {"f": {}, "g": {}}, "prompts": {"g": {}}}"#);
        let descriptions: Vec<_> = described.asked().into_values().map(|prompt| prompt.description).collect();
        assert_eq!(descriptions, [Some("mail relay".to_owned()), None]);
    }

    #[test]
    fn a_prompt_that_is_no_file_is_used_by_nothing() {
        let unused = artifact(r#"{"files": {"f": {}}, "prompts": {"f": {}, "p": {}, "q": {}}}"#);
        assert_eq!(unused.unused_prompts().map(Name::as_str).collect::<Vec<_>>(), ["p", "q"]);
    }
}

//! Any bytes, any names.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sops_format::{DataKey, Document, Error, Form, LeafValue, TextDocument, TextForm, create, refused_key, update};

use crate::support::{NOW, plain};

fn seal(_: &[u8; 32], to: &[&str]) -> Result<Vec<String>, Error> {
    Ok(vec!["-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n".to_owned(); to.len()])
}

/// Keys and texts with everything that JSON and YAML give a meaning to.
fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z:#&*!|>%@`{}\\[\\],?~\"'\\\\ -]{1,12}", "\\PC{1,12}", "[0-9._+eExX-]{1,6}"]
        .prop_filter("refused", |key| refused_key(key).is_none())
}

proptest! {
    #[test]
    fn the_binary_form_gives_back_any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        let key = DataKey::generate().unwrap();
        let file = create(Form::Binary, &key, &[LeafValue::new("data", bytes.clone())], &["r"], NOW, seal).unwrap();
        let read = Document::parse(Form::Binary, &file).unwrap().decrypt(&key).unwrap();
        prop_assert_eq!(plain(&read), [("data".to_owned(), bytes)]);
    }

    #[test]
    fn structured_forms_give_back_any_text_in_order(all in btree_map(key(), any::<String>(), 0..6), reader in "[ -~]{1,20}") {
        let all: Vec<LeafValue> = all.into_iter().rev().map(|(key, text)| LeafValue::new(key, text.into_bytes())).collect();
        for form in [Form::Json, Form::Yaml] {
            let key = DataKey::generate().unwrap();
            let file = create(form, &key, &all, &[&reader], NOW, seal).unwrap();
            let document = Document::parse(form, &file).unwrap();
            prop_assert_eq!(plain(&document.decrypt(&key).unwrap()), plain(&all));
            prop_assert_eq!(&document.stanzas()[0].recipient, &reader);
            prop_assert_eq!(update(&file, form, &key, &all, &[&reader], NOW, seal).unwrap(), file);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300), text in "\\PC{0,300}") {
        for form in [Form::Binary, Form::Json, Form::Yaml] {
            let _ = Document::parse(form, &bytes);
            let _ = Document::parse(form, text.as_bytes());
        }
        for form in [TextForm::Dotenv, TextForm::Ini] {
            let _ = TextDocument::parse(form, &bytes);
            let _ = TextDocument::parse(form, text.as_bytes());
        }
    }

    #[test]
    fn a_text_with_anything_in_it_makes_it_not_panic(lines in vec("([#;\\[]|a|sops|sops_|mac|\"|\"\"\"|`| |=|:|\\]|ENC\\[|__list_|__map_|0|age){0,8}", 0..12)) {
        let text = lines.join("\n");
        for form in [TextForm::Dotenv, TextForm::Ini] {
            let _ = TextDocument::parse(form, text.as_bytes());
            let _ = TextDocument::parse(form, format!("{text}\n[sops]\n{text}").as_bytes());
        }
    }

    #[test]
    fn a_file_with_anything_in_it_makes_it_not_panic(at in any::<prop::sample::Index>(), length in 0usize..20, noise in "[ -~\n\t]{0,20}") {
        let key = DataKey::generate().unwrap();
        for form in [Form::Binary, Form::Json, Form::Yaml] {
            let mut file = create(form, &key, &[LeafValue::new("data", *b"x")], &["r"], NOW, seal).unwrap();
            let start = at.index(file.len());
            let end = (start + length).min(file.len());
            file.splice(start..end, noise.bytes());
            if let Ok(values) = Document::parse(form, &file).and_then(|document| document.decrypt(&key)) {
                prop_assert_eq!(plain(&values), [("data".to_owned(), b"x".to_vec())]);
            }
        }
    }
}

//! Any bytes in any form: an error or a document, and whatever opens has the MAC it says. Never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sops_format::{DataKey, Document, Error, Form, TextDocument, TextForm, update};

fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = DataKey::new(&[7; 32], "fuzz") else { return };
    for form in [TextForm::Dotenv, TextForm::Ini] {
        let _ = TextDocument::parse(form, bytes).and_then(|document| document.text(&key));
    }
    for form in [Form::Binary, Form::Json, Form::Yaml] {
        let Ok(document) = Document::parse(form, bytes) else { continue };
        let Ok(values) = document.decrypt(&key) else { continue };
        let _ = update(bytes, form, &key, &values, &["fuzz"], 0, |_, _| Err::<Vec<String>, _>(Error::Random));
    }
});

//! Dotenv and INI are read as the real sops prints them, and what was modified is refused.

use crate::support::{Pair, Sops};
use sops_format::{Error, FormatError, TextDocument, TextForm};

/// What these files may have, and some would be spoiled by a careless reader.
const DOTENV: &str = "# a comment\nTOKEN=abc\nTWO=one\\nline\n\nEMPTY=\n#second #\nTOKEN=again\nclear_unencrypted=as it is # x\n\
    QUOTED=\"a # b\"\n SPACED = x \nURL=https://x?a=b\n=no key\nk\u{e9}y=\u{fc}\u{1f511}\nCR=x\r\n";

const INI: &str = "; of the first\nbefore=x\n\n; of a section\n# and more\n[web]\n; of a key\n;; in two lines\ntoken=1\n\
    longer_key = two words\ntrailing = x # beside it\nspaced = \"  x \"\nmany = \"\"\"one\ntwo\"\"\"\ntick = \"\"\"a`b\"\"\"\n\
    hash = `a#b;c`\nempty =\n`with=sign` = 2\n`with:colon and \"` = 3\n\"\"\"with`tick\"\"\" = 4\n\n[empty]\n[two words]\nclear_unencrypted = plain\n\
    [web]\nsecond = of one name\n[open_unencrypted]\n; not encrypted\n# either\na = b\n[\u{e9}]\n\u{fc} = \u{1f511}\n";

fn encrypted(sops: &Sops, form: TextForm, text: &str) -> String {
    let name = format!("a.{}", if form == TextForm::Ini { "ini" } else { "env" });
    sops.put(&name, text.as_bytes());
    let file = sops.run(&["encrypt", &name]);
    sops.put(&name, &file);
    String::from_utf8(file).unwrap()
}

fn text(pair: &Pair, form: TextForm, file: &str) -> Result<String, Error> {
    let document = TextDocument::parse(form, file.as_bytes())?;
    let stanza = document.stanzas().iter().find(|stanza| stanza.recipient == pair.recipient).unwrap();
    let key = sops_format::DataKey::new(&pair.open(&stanza.enc).unwrap(), &stanza.recipient)?;
    Ok(String::from_utf8(document.text(&key)?.to_vec()).unwrap())
}

#[test]
fn a_whole_text_is_what_sops_prints() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    let names = [(TextForm::Dotenv, "a.env"), (TextForm::Ini, "a.ini")];
    let rules = format!("creation_rules:\n  - age: {}\n", pair.recipient);
    for rule in ["", "    mac_only_encrypted: true\n", "    encrypted_regex: ^(TOKEN|token|many)$\n"] {
        sops.put(".sops.yaml", format!("{rules}{rule}").as_bytes());
        for ((form, name), content) in names.into_iter().zip([DOTENV, INI]) {
            for content in [content, "", "A=1", "A=1\nB=2\n\n[x]\nC=3", "[x]\n", "; only\n[x]\n; a\nb=c"] {
                if form == TextForm::Dotenv && (content.contains('[') || content.is_empty()) {
                    continue;
                }
                // What is not encrypted is not read in quotes.
                let content = if rule.contains("regex") && form == TextForm::Ini {
                    content.split_once("spaced").map_or(content, |(before, _)| before)
                } else {
                    content
                };
                let file = encrypted(&sops, form, content);
                let expected = String::from_utf8(sops.run(&["decrypt", name])).unwrap();
                assert_eq!(text(&pair, form, &file).unwrap(), expected, "{rule} {file}");
                assert_eq!(file.contains("mac_only_encrypted"), rule.contains("mac_only"), "{file}");
            }
        }
    }
}

#[test]
fn what_was_modified_is_refused() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    sops.put(".sops.yaml", format!("creation_rules:\n  - age: {}\n", pair.recipient).as_bytes());
    for (form, content) in [
        (TextForm::Dotenv, "#c\nA=1\nB=2\nC_unencrypted=3\n"),
        (TextForm::Ini, "[x]\n; c\nA=1\nB=2\nC_unencrypted=3\n"),
    ] {
        let file = encrypted(&sops, form, content);
        assert!(text(&pair, form, &file).is_ok());
        let line = |begin: &str| file.lines().find(|line| line.starts_with(begin)).unwrap().to_owned();
        let (a, b, clear) = (line("A"), line("B"), line("C_"));
        let value = |line: &str| line.split_once("ENC").map(|(_, rest)| format!("ENC{rest}")).unwrap();
        let read = |file: &str| text(&pair, form, file).unwrap_err();
        let without = |line: &str| file.replace(&format!("{line}\n"), "");
        let is_mac = |error: &Error| matches!(error, Error::Mac);
        assert!(is_mac(&read(&without(&a))) && is_mac(&read(&without(&clear))));
        assert!(is_mac(&read(&file.replace(&clear, &clear.replace('3', "4")))));
        assert!(is_mac(&read(&file.replace(&a, "@").replace(&b, &a).replace('@', &b))));
        assert!(matches!(read(&file.replace(&value(&a), &value(&b))), Error::Tag { .. }));
        let format = |file: &str| match read(file) {
            Error::Format(format) => format,
            other => panic!("{other:?}"),
        };
        assert!(matches!(format(&file.replace(&value(&a), "1")), FormatError::Open { path } if path.ends_with('A')));
        assert!(matches!(format(&file.replace(&value(&a), "ENC[x]")), FormatError::Sealed { .. }));
        // No MAC covers a comment: anyone could have written one that is not encrypted.
        let mark = if form == TextForm::Ini { "; " } else { "#" };
        assert!(matches!(format(&file.replace(&a, &format!("{mark}mine\n{a}"))), FormatError::Open { .. }));
        assert!(matches!(format(&file.replace("lastmodified", "last")), FormatError::LastModified { .. }));
        assert!(matches!(format(&file.replace("list_0__map_recipient", "list_0__map_r")), FormatError::Field { .. }));
        assert!(matches!(format(content), FormatError::NoMetadata));
        assert!(matches!(format(&file.replace(&a, "A")), FormatError::Line { .. }));
        let bytes = [b"A=1\n\xff".as_slice(), file.as_bytes()].concat();
        let error = TextDocument::parse(form, &bytes).unwrap_err();
        assert!(matches!(error, Error::Format(FormatError::Line { line: 2, .. })), "{error:?}");
    }
    let file = encrypted(&sops, TextForm::Ini, "[x]\nA=1\n");
    for (line, why) in [
        ("A = \"1\"", "quotes"),
        ("A = 1 # x", "comment"),
        ("A = 1\\", "continued"),
        ("[x] y", "more behind"),
        ("`A = 1", "no end"),
    ] {
        let error = TextDocument::parse(TextForm::Ini, format!("{line}\n{file}").as_bytes()).unwrap_err();
        assert!(error.to_string().contains(why) && error.to_string().contains("line 1"), "{error}");
    }
    let twice = TextDocument::parse(TextForm::Ini, format!("A = 1\nA = 2\n{file}").as_bytes()).unwrap_err();
    assert!(matches!(twice, Error::Format(FormatError::Twice { .. })));
}

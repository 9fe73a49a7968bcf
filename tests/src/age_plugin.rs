//! A plugin of age: `age-plugin-tester`, which wraps a file key by writing it down.

use std::io;
use std::path::Path;

use crate::script;

/// A recipient of the plugin.
pub const RECIPIENT: &str = "age1tester1wg5z3tth";

/// An identity of the plugin.
pub const IDENTITY: &str = "AGE-PLUGIN-TESTER-1D9JQRC6AX0";

/// Writes the plugin to a directory. Each start leaves a line in `runs`, its protocol, and in `environment` what it sees; of each
/// message that it shows, `touches` has a line. `then` is run before it answers.
///
/// # Errors
/// When it cannot be written.
pub fn write(dir: &Path, then: &str) -> io::Result<()> {
    let (here, then) = (dir.display().to_string(), format!("{then}\n"));
    script::write(&dir.join("age-plugin-tester"), PROGRAM.replace("@HERE@", &here).replace("@THEN@\n", &then))
}

/// Returns how often the plugin of a directory was started.
pub fn runs(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("runs")).unwrap_or_default().lines().count()
}

const PROGRAM: &str = r#"#!/bin/bash
set -f
here='@HERE@'
echo "$1" >> "$here/runs"
env > "$here/environment"

# Reads a message: its words, and its body as it was encoded.
receive() {
  IFS= read -r line || exit 1
  words=(${line#-> })
  body=
  while IFS= read -r part; do
    body+=$part
    [ ${#part} -lt 64 ] && break
  done
}

# Sends a message, and takes the answer.
tell() {
  printf -- '-> %s\n%s\n' "$1" "$2"
  receive
}

text() {
  printf "$1" | base64 -w0 | tr -d =
}

keys=()
recipients=0
case $1 in
--age-plugin=identity-v1)
  while receive; do
    case ${words[0]} in
    recipient-stanza) [ "${words[2]}" = tester ] && keys+=("${words[1]} $body") ;;
    done) break ;;
    esac
  done
@THEN@
  echo touched >> "$here/touches"
  tell msg "$(text 'touch\033[31m it')"
  for key in "${keys[@]}"; do tell "file-key ${key% *}" "${key#* }"; done
  ;;
--age-plugin=recipient-v1)
  while receive; do
    case ${words[0]} in
    add-recipient) recipients=$((recipients + 1)) ;;
    wrap-file-key) keys+=("$body") ;;
    done) break ;;
    esac
  done
@THEN@
  for index in "${!keys[@]}"; do
    for ((recipient = 0; recipient < recipients; recipient++)); do
      tell "recipient-stanza $index tester x" "${keys[index]}"
    done
  done
  ;;
*)
  printf '# recipient: age1tester1wg5z3tth\nAGE-PLUGIN-TESTER-1D9JQRC6AX0\n'
  exit
  ;;
esac
printf -- '-> done\n\n'
"#;
